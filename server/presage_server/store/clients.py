"""redis-py's clients of a store, for commands and threads beside the serving one: of one server, or of a cluster's.

Nothing is sent twice, unless a server said that it did not do it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from presage_server.store.cluster.slot_map import SLOT_OF_PARTITION, SlotMap, slot_of
from presage_server.store.finding import Place, SentinelFinder
from presage_server.store.found_connections import StoreMovedError, follow
from presage_server.store.urls import StoreKind, StoreUrl

__all__ = ["StoreClients", "is_of_cluster"]

_ELSEWHERE = (AskError, TryAgainError, ClusterDownError)  # MovedError is an AskError
_PAUSE_SECONDS = 0.05
_PATIENCE_SECONDS = 5.0


def is_of_cluster(info: Mapping[str, Any]) -> bool:
    """Return whether a server is of a cluster, by its INFO."""
    return "cluster" in {info.get("redis_mode"), info.get("server_mode")}  # Redis and Valkey


class StoreClients:
    """Clients by key and by partition. Their calls raise redis-py's errors; replies are bytes.

    Args:
        found: The store's URL.
        client_name: What the server's list of connections shows.
        timeout_seconds: How long a server may take to answer.

    Raises:
        ValueError, TypeError: The URL cannot be understood; the text may show a password.
    """

    def __init__(self, found: StoreUrl, *, client_name: str, timeout_seconds: float) -> None:
        self._found = found
        self._client_name = client_name
        self._timeout_seconds = timeout_seconds
        self._slots = SlotMap(found) if found.kind is StoreKind.CLUSTER else None
        self._by_slot: dict[int, Redis] = {}
        self._by_place: dict[Place, Redis] = {}
        self._partition: tuple[int, Redis] | None = None
        self._single: Redis | None = None
        self._is_stale = True
        """Whether the cluster should be asked where partitions are, before they are read."""
        if found.kind is StoreKind.SINGLE:
            self._single = self._client()
        elif found.kind is StoreKind.SENTINEL:
            self._single = follow(self._client(), SentinelFinder(found))
        self._client().connection_pool.make_connection()  # where options that there are not are found

    @property
    def is_cluster(self) -> bool:
        """Whether partitions may be on several servers."""
        return self._slots is not None

    def of_key(self, key: str) -> Redis:
        """Return a client of the server that has a key, and of whichever has it later; all keys with its tag are there."""
        if self._slots is None:
            return self._the_single
        slot = slot_of(key)
        if slot not in self._by_slot:
            self._by_slot[slot] = follow(self._client(), self._slots.finder(slot))
        return self._by_slot[slot]

    def of_partition(self, partition: int) -> Redis:
        """Return a client of the server that has a partition; it is closed when one for another partition is asked for."""
        if self._slots is None:
            return self._the_single
        if self._partition is None or self._partition[0] != partition:
            if self._partition is not None:
                self._partition[1].close()
            found = follow(self._client(), self._slots.finder(SLOT_OF_PARTITION[partition]))
            self._partition = partition, found
        return self._partition[1]

    def of_servers(self) -> list[Redis]:
        """Return a client of every server that has data, as of now."""
        if self._slots is None:
            return [self._the_single]
        self._slots.refresh()
        return [self._of_place(place) for place in self._slots.places]

    def each(
        self, partitions: Sequence[int], build: Callable[[Any, int], object], *, keep_errors: bool = False
    ) -> dict[int, Any]:
        """Send one command for each partition, in one go to each server.

        Args:
            partitions: Whose.
            build: Puts the command of a partition into a pipeline.
            keep_errors: Whether errors that servers reply are returned in place of replies; otherwise the first is raised.

        Returns:
            The reply for each partition. What a server did not carry out, because it has the partition no more, is sent to the
            one that has it.
        """
        replies: dict[int, Any] = {}
        waiting = list(partitions)
        until = monotonic() + _PATIENCE_SECONDS
        while waiting:
            found = self._send(waiting, build)
            waiting = [partition for partition in waiting if isinstance(found[partition], _ELSEWHERE)]
            replies |= found
            if waiting and self._slots is None:
                break
            if waiting:
                self._wait_for_move(found[waiting[0]], until)
        if not keep_errors:
            for reply in replies.values():
                if isinstance(reply, Exception):
                    raise reply
        return replies

    def now_millis(self) -> int:
        """Return the store's time, that of the ids of entries; the earliest of its servers'."""
        times: list[Any] = [redis.time() for redis in self.of_servers()]
        return min(int(seconds) * 1_000 + int(micros) // 1_000 for seconds, micros in times)

    def reconnect(self) -> None:
        """Have the next calls find out where they go to."""
        for redis in self._all():
            redis.connection_pool.disconnect()

    def close(self) -> None:
        """Close the connections."""
        for redis in self._all():
            redis.close()
        if self._slots is not None:
            self._slots.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _the_single(self) -> Redis:
        assert self._single is not None
        return self._single

    def _by_server(self, partitions: Sequence[int]) -> list[tuple[Redis, list[int]]]:
        if self._slots is None:
            return [(self._the_single, list(partitions))]
        if self._is_stale or None in self._slots.partitions:
            self._slots.refresh()
            self._is_stale = False
        found: dict[Place, list[int]] = {}
        for partition in partitions:
            place = self._slots.partitions[partition]
            if place is None:
                raise StoreMovedError(f"no server of the cluster has partition {partition}")
            found.setdefault(place, []).append(partition)
        return [(self._of_place(place), together) for place, together in found.items()]

    def _send(self, partitions: Sequence[int], build: Callable[[Any, int], object]) -> dict[int, Any]:
        replies: dict[int, Any] = {}
        for redis, together in self._by_server(partitions):
            pipeline: Any = redis.pipeline(transaction=False)
            for partition in together:
                build(pipeline, partition)
            try:
                found = pipeline.execute(raise_on_error=False)
            except (RedisConnectionError, RedisTimeoutError):
                self._is_stale = True
                raise
            replies |= dict(zip(together, found, strict=True))
        return {partition: self._ask(reply, partition, build) for partition, reply in replies.items()}

    def _ask(self, reply: Any, partition: int, build: Callable[[Any, int], object]) -> Any:
        """Repeat a command on the server that is taking over its partition, if the reply says so; return the reply."""
        if not isinstance(reply, AskError) or isinstance(reply, MovedError):
            return reply
        pipeline: Any = self._of_place((reply.host, reply.port)).pipeline(transaction=False)
        pipeline.execute_command("ASKING")
        build(pipeline, partition)
        return pipeline.execute(raise_on_error=False)[-1]

    def _of_place(self, place: Place) -> Redis:
        redis = self._by_place.get(place)
        if redis is None:
            redis = self._by_place[place] = self._client()
            options = redis.connection_pool.connection_kwargs
            options["host"], options["port"] = place
        return redis

    def _wait_for_move(self, error: RedisError, until: float) -> None:
        if monotonic() > until:
            raise StoreMovedError(f"the cluster does not settle: {error}")
        sleep(_PAUSE_SECONDS)
        assert self._slots is not None
        self._slots.refresh()

    def _client(self) -> Redis:
        return Redis.from_url(
            self._found.url,
            protocol=2,
            # A read that is sent a second time skips the entries of the first.
            retry=Retry(NoBackoff(), 0),
            socket_timeout=self._timeout_seconds,
            socket_connect_timeout=self._timeout_seconds,
            client_name=self._client_name,
        )

    def _all(self) -> list[Redis]:
        single = [] if self._single is None else [self._single]
        partition = [] if self._partition is None else [self._partition[1]]
        return [*single, *partition, *self._by_slot.values(), *self._by_place.values()]
