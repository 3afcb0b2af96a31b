"""A cluster of six Valkey servers for tests, what is in it, and a server's own view of it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.rig.local_cluster import ClusterServer, LocalCluster
from presage_featurizer.event_log import partition_of
from presage_server.clock import system_clock
from presage_server.store.checking import connect
from presage_server.store.cluster.cluster_link import ClusterLink
from presage_server.store.cluster.cluster_store import ClusterStore
from presage_server.store.cluster.slot_map import SLOT_OF_PARTITION, SlotMap
from presage_server.store.keys import state_key
from presage_server.store.snapshot import WRITER_BYTES
from presage_server.store.urls import StoreUrl
from support.stores import GENEROUS_SECONDS, View

_WRITERS = itertools.count(30_000)


class ClusterUnderTest:
    """A cluster, and a client that sees all of it; takes the place of a ``LocalStore`` where a test only looks into one."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.cluster = cluster
        self.url = cluster.url
        self.redis: Any = cluster.client()

    @property
    def masters(self) -> list[ClusterServer]:
        """The servers that hold slots now."""
        return [server for server in self.cluster.servers if server.is_primary]

    def blob(self, user_id: str) -> bytes | None:
        """Return the bytes that a visitor's state is stored as."""
        return self.redis.get(state_key(user_id))

    def owner(self, user_id: str) -> ClusterServer:
        """Return the server that has a visitor."""
        slot = SLOT_OF_PARTITION[partition_of(user_id)]
        return next(server for server in self.masters if slot in self.cluster.slots_of(server))

    def other(self, user_id: str) -> ClusterServer:
        """Return a server that has not."""
        owner = self.owner(user_id)
        return next(server for server in self.masters if server is not owner)

    def visitor_of(self, server: ClusterServer) -> str:
        """Return a visitor that a server has."""
        slots = set(self.cluster.slots_of(server))
        return next(
            user_id
            for user_id in (f"visitor-{number}" for number in itertools.count())
            if SLOT_OF_PARTITION[partition_of(user_id)] in slots
        )

    def empty(self) -> None:
        """Delete everything."""
        for server in self.masters:
            server.redis.flushall()


@contextmanager
def opened_on(cluster: ClusterUnderTest, *, timeout_seconds: float = GENEROUS_SECONDS) -> Iterator[View]:
    """Open a server's own view of a cluster; every view is another writer's."""
    found = StoreUrl.parse(cluster.url)
    _, address = connect(found.url)
    link = ClusterLink(SlotMap(found), address, timeout_seconds=timeout_seconds)
    try:
        link.open(GENEROUS_SECONDS)
        yield View(
            ClusterStore(
                link,
                clock=system_clock,
                writer=next(_WRITERS).to_bytes(WRITER_BYTES, "big"),
                state_ttl_ms=60_000,
                stream_max_events=0,
            )
        )
    finally:
        link.close()


@contextmanager
def meanwhile(*steps: Callable[[], object]) -> Iterator[Callable[[], bool]]:
    """Do things one after another in a thread while the context lasts, and to their end; yields what says whether they are done."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            for step in steps:
                step()
        except BaseException as error:  # noqa: BLE001 - raised below
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield lambda: not thread.is_alive()
    finally:
        thread.join()
        for failure in failures:
            raise failure


def count_entries(client: Any) -> int:
    """Return how many entries all event streams have."""
    return sum(client.xlen(f"{{p{partition}}}:events") for partition in range(len(SLOT_OF_PARTITION)))
