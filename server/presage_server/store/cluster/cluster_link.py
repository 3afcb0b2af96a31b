"""The connections to all servers of a cluster, one link each, as one."""

from __future__ import annotations

import heapq
import select
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from time import monotonic

from presage_featurizer.event_log import PARTITIONS
from presage_server.store.address import Address
from presage_server.store.cluster.map_keeper import MapKeeper
from presage_server.store.cluster.slot_map import SlotMap
from presage_server.store.connecting import Connector
from presage_server.store.finding import Place
from presage_server.store.link import Link

__all__ = ["ClusterLink"]

_SELECT_FDS = 1_024
_SOON_SECONDS = 0.01
"""When a server leaves a request unanswered for longer, batches that do not need it stop waiting for it."""
_IDLE_WAIT_SECONDS = 0.001
"""How long a turn waits at most while there is no server whose reply it could wait for, only connections or moments."""


class ClusterLink:
    """What ``Link`` is for one server, for those of a cluster: nothing blocks longer than ``pump`` is allowed to.

    Each server has a link of its own, and its own outages: one that does not answer holds up only what is sent to it. Where a
    partition is gets known from the cluster, asked in a thread, and from what servers say who do not have it any more.

    Args:
        slots: Knows where partitions are.
        address: How to talk to each server: credentials and TLS; its place is replaced.
        timeout_seconds: How long a request may be unanswered.
    """

    def __init__(self, slots: SlotMap, address: Address, *, timeout_seconds: float) -> None:
        self._slots = slots
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._keeper = MapKeeper(slots)
        self._links: dict[Place, Link] = {}
        self._all: tuple[Link, ...] = ()
        self._by_partition: list[Link] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._outages_before = self._processes_before = 0
        self._closed = False
        self.healthy = True
        """Whether all servers answer soon."""

    def open(self, timeout_seconds: float) -> None:
        """Find out where partitions are and connect to all servers that have any, waiting for it; for the start of a server.

        Raises:
            OSError, ValueError, ReplyError, RedisError: It cannot be done.
        """
        self._slots.refresh()
        if None in self._slots.partitions:
            raise ConnectionError("some partitions are at no server of the cluster: it does not cover all slots")
        self._by_partition = [self.link_to(place) for place in self._slots.partitions if place is not None]
        until = monotonic() + timeout_seconds
        for link in self._all:
            link.open(max(until - monotonic(), 0.1))
        self._keeper.start()

    @property
    def servers(self) -> Sequence[Place]:
        """The servers that are connected to."""
        return tuple(self._links)

    @property
    def pending(self) -> bool:
        """Whether any request waits for its replies, or to be sent again."""
        return bool(self._timers) or any(link.pending for link in self._all)

    @property
    def silent(self) -> bool:
        """Whether any server has left a request unanswered for half of the time after which it counts as away."""
        return any(link.silent for link in self._all)

    @property
    def fast(self) -> bool:
        """Whether all servers are near."""
        return all(link.fast for link in self._all)

    @property
    def down(self) -> bool:
        """Whether requests to any server fail at once because it does not answer."""
        return any(link.down for link in self._all)

    @property
    def outages(self) -> int:
        """How often links went down."""
        return self._outages_before + sum([link.outages for link in self._all])

    @property
    def process(self) -> int:
        """Counts the servers' processes that were connected to."""
        return self._processes_before + sum(link.process for link in self._all)

    @property
    def run_id(self) -> bytes:
        """There is no one process that has all."""
        return b""

    def link_of(self, partition: int) -> Link:
        """Return the link to the server that has a partition."""
        return self._by_partition[partition]

    def link_to(self, place: Place) -> Link:
        """Return the link to a server; a new one connects when something is sent."""
        link = self._links.get(place)
        if link is None:
            host, port = place
            address = replace(self._address, host=host, port=port)
            link = Link(
                Connector(address), timeout_seconds=self._timeout_seconds, name=f"the store's server {host}:{port}"
            )
            self._links[place] = link
            self._all = tuple(self._links.values())
        return link

    def moved(self, partition: int, place: Place) -> None:
        """Note where a partition is now, as a server said."""
        self._by_partition[partition] = self.link_to(place)
        self._keeper.want()

    def want_map(self) -> None:
        """Have the cluster asked where its partitions are, soon."""
        self._keeper.want()

    def place_of(self, link: Link) -> Place:
        """Return a link's server."""
        return next(place for place, known in self._links.items() if known is link)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have ``pump`` call a function after a number of seconds."""
        heapq.heappush(self._timers, (monotonic() + seconds, next(self._numbers), call))

    def flush(self) -> None:
        """Write what has been sent since the last flush."""
        for link in self._all:
            link.flush()

    def pump(self, wait_seconds: float = 0.0) -> None:
        """Send, receive, and pass replies to their callers.

        Args:
            wait_seconds: How long to wait for replies if none are there yet.
        """
        if self._keeper.take():
            self._adopt_map()
        timers = self._timers
        if timers:
            now = monotonic()
            while timers and timers[0][0] <= now:
                heapq.heappop(timers)[2]()
        self.flush()
        if wait_seconds:
            self._wait(wait_seconds)
        healthy = True
        for link in self._all:
            link.pump()
            if link.descriptor is None:
                healthy = False
                if link.down or link.pending:
                    self._keeper.want()
            elif link.unanswered_seconds > _SOON_SECONDS:
                healthy = False
        self.healthy = healthy

    def drop(self, reason: str, *, logged: bool = False) -> None:
        """Look again where partitions are, because a server turned out to be the wrong one."""
        del reason, logged  # each link finds that out by itself
        self._keeper.want()

    def close(self) -> None:
        """Close all connections; requests that wait fail, as do later ones."""
        self._closed = True
        self._keeper.close()
        for link in self._all:
            link.close()
        timers, self._timers = self._timers, []
        for _, _, call in timers:
            call()
        self._slots.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def _wait(self, seconds: float) -> None:
        descriptors = [found for link in self._all if link.pending and (found := link.descriptor) is not None]
        if not descriptors:
            if self._timers or any(link.pending for link in self._all):
                time.sleep(min(seconds, _IDLE_WAIT_SECONDS))
        elif max(descriptors) < _SELECT_FDS:
            select.select(descriptors, (), (), seconds)
        else:
            poll = select.poll()
            for descriptor in descriptors:
                poll.register(descriptor, select.POLLIN)
            poll.poll(max(1, round(seconds * 1e3)))

    def _adopt_map(self) -> None:
        for partition in range(PARTITIONS):
            place = self._slots.partitions[partition]
            if place is not None:
                self._by_partition[partition] = self.link_to(place)
        used = {*self._slots.places}
        for place, link in list(self._links.items()):
            if place not in used and not link.pending and link not in self._by_partition:
                del self._links[place]
                self._outages_before += link.outages
                self._processes_before += link.process
                threading.Thread(target=link.close, daemon=True).start()  # it may be connecting, which takes its time
        self._all = tuple(self._links.values())
