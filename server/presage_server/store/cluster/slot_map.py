"""Which server of a cluster has which slot, as its servers say."""

from __future__ import annotations

import random
import threading
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from redis import Redis
from redis.cluster import parse_cluster_slots
from redis.crc import key_slot
from redis.exceptions import RedisError, ResponseError

from presage_featurizer.event_log import PARTITIONS, stream_key
from presage_server.errors import StoreStartError
from presage_server.store.finding import Find, Place, single_client
from presage_server.store.urls import StoreUrl

__all__ = ["SLOT_OF_PARTITION", "SlotMap", "slot_of"]


def slot_of(key: str) -> int:
    """Return the slot of a key."""
    return int(key_slot(key.encode()))


SLOT_OF_PARTITION = tuple(slot_of(stream_key(partition)) for partition in range(PARTITIONS))


class _Ranges:
    """Slots in ranges, each with its server."""

    def __init__(self, found: Mapping[tuple[int, int], Place]) -> None:
        ordered = sorted(found)
        self._starts = [start for start, _ in ordered]
        self._ends = [end for _, end in ordered]
        self._places = [found[slots] for slots in ordered]

    def place_of(self, slot: int) -> Place | None:
        index = bisect_right(self._starts, slot) - 1
        return self._places[index] if index >= 0 and slot <= self._ends[index] else None


class SlotMap:
    """The slots of a cluster. Every method may be called by any thread; those that ask the cluster wait for it.

    Args:
        found: The URL, with some of the cluster's servers. Others are found through them.
    """

    def __init__(self, found: StoreUrl) -> None:
        self._url = found.url
        self._asking = threading.Lock()
        self._seeds = [single_client(url) for url in found.asked]
        self._clients: dict[Place, Redis] = {_place_of(client): client for client in self._seeds}
        self._ranges = _Ranges({})
        self.places: tuple[Place, ...] = ()
        """The servers that have slots, in order."""
        self.partitions: Sequence[Place | None] = (None,) * PARTITIONS
        """The server of each partition; None where it is not known yet."""

    def refresh(self) -> None:
        """Ask the servers, one after another, until one knows where every partition is.

        Raises:
            RedisError, OSError: None of them answers.
            StoreStartError: What answers is no cluster.
        """
        with self._asking:
            failure: Exception | None = None
            best: tuple[int, dict[tuple[int, int], Place]] | None = None
            for client in self._candidates():
                try:
                    found = _ask(client)
                except (RedisError, OSError) as error:
                    failure = error
                    continue
                ranges = _Ranges(found)
                covered = sum(ranges.place_of(slot) is not None for slot in SLOT_OF_PARTITION)
                if best is None or covered > best[0]:
                    best = covered, found
                if covered == PARTITIONS:
                    break
            if best is None:
                assert failure is not None
                raise failure
            self._take(best[1])

    def place_of(self, slot: int) -> Place | None:
        """Return the server of a slot; None where it is not known yet."""
        return self._ranges.place_of(slot)

    def finder(self, slot: int) -> Find:
        """Return what finds the server of a slot, asking the cluster each time."""

        def find() -> Place:
            self.refresh()
            place = self.place_of(slot)
            if place is None:
                raise ConnectionError(f"no server of the cluster has slot {slot}")
            return place

        return find

    def client(self, place: Place) -> Redis:
        """Return a client of one server, for questions that are answered soon or not at all; its replies are text."""
        client = self._clients.get(place)
        if client is None:
            client = self._clients[place] = single_client(self._url, place)
        return client

    def close(self) -> None:
        """Close the connections."""
        for client in {*self._seeds, *self._clients.values()}:
            client.close()

    def _candidates(self) -> list[Redis]:
        # Those that have slots know best who has which; which of them is asked varies, so that none is asked by everybody.
        known = [self.client(place) for place in random.sample(self.places, len(self.places))]
        return [*known, *(client for client in self._seeds if client not in known)]

    def _take(self, found: Mapping[tuple[int, int], Place]) -> None:
        ranges = _Ranges(found)
        before = self.partitions
        self._ranges = ranges
        self.places = tuple(dict.fromkeys(found[slots] for slots in sorted(found)))
        self.partitions = [
            ranges.place_of(slot) or before[partition] for partition, slot in enumerate(SLOT_OF_PARTITION)
        ]
        for place in [place for place in self._clients if place not in self.places]:
            client = self._clients.pop(place)
            if client not in self._seeds:
                client.close()


def _ask(client: Any) -> dict[tuple[int, int], Place]:
    try:
        reply: Any = client.execute_command("CLUSTER SLOTS")
    except ResponseError as error:
        if "cluster support disabled" not in str(error):
            raise
        raise StoreStartError(
            "redis_url: expected a server of a cluster, got a standalone one; write redis:// instead of redis+cluster://"
        ) from error
    # A server that does not know its own address leaves it empty.
    ranges: Any = parse_cluster_slots(reply, current_host=_place_of(client)[0])
    return {slots: (str(found["primary"][0]), int(found["primary"][1])) for slots, found in ranges.items()}


def _place_of(client: Redis) -> Place:
    options: Any = client.connection_pool.connection_kwargs
    return options.get("host", "localhost"), int(options.get("port", 6379))
