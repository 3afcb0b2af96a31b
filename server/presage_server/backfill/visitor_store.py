"""Visitors' states and the end of their stream, read at one moment; and states written where nothing changed since."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from threading import Event as Flag
from time import monotonic
from typing import Any, TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from presage_featurizer.event_log import Entry, EntryId, stream_key
from presage_server.backfill.resolving import Resolution
from presage_server.clock import Clock
from presage_server.eventlog.errors import EventLogStoreError
from presage_server.eventlog.positions import StreamInfo
from presage_server.store.clients import StoreClients
from presage_server.store.keys import erasures_key, state_key
from presage_server.store.snapshot import Change

__all__ = ["ENTRIES_PER_READ", "UNFINISHED", "PartitionRead", "VisitorStore"]

UNFINISHED = -1
"""In place of a number of erasures."""
ENTRIES_PER_READ = 128
"""The most entries that one call returns: the store serves nothing else meanwhile."""

_RETRY_SECONDS = 1.0
_SCRIPTS = resources.files("presage_server.backfill")
_READ = _SCRIPTS.joinpath("read.lua").read_text()
_WRITE = _SCRIPTS.joinpath("write.lua").read_text()
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class PartitionRead:
    """A partition at one moment."""

    info: StreamInfo | None
    """Its stream; None if there is none."""
    entries: Sequence[Entry]
    """What follows the last entry that was read, at most ENTRIES_PER_READ."""
    blobs: Sequence[bytes | None]
    """The states of the visitors that were named, in their order."""
    erasures: int = 0
    """How many visitors of the partition were erased; UNFINISHED while one is being erased."""

    @property
    def full(self) -> bool:
        """Whether there may be more entries, so that the states are those of a later moment than the entries."""
        return len(self.entries) == ENTRIES_PER_READ


class VisitorStore:
    """What backfilling does with the store. Waits for one that goes away.

    Args:
        clients: Of the store.
        clock: Returns the time in microseconds.
        writer: WRITER_BYTES bytes of this process's own, best drawn at random.
        patience_seconds: How long the store may be away.
        stop: Ends the waiting.
        warn: Called with one line when the store goes away, and when it answers again.

    Raises:
        EventLogStoreError: From every method: the store stayed away, or rejects what was sent.
    """

    def __init__(
        self,
        clients: StoreClients,
        *,
        clock: Clock,
        writer: bytes,
        patience_seconds: float,
        stop: Flag,
        warn: Callable[[str], None],
    ) -> None:
        self._clients = clients
        self._clock = clock
        self._writer = writer
        self._patience_seconds = patience_seconds
        self._stop = stop
        self._warn = warn

    def read(self, partition: int, after: EntryId, user_ids: Sequence[str]) -> PartitionRead:
        """Read visitors of a partition, and what its stream has after an entry."""
        keys = [stream_key(partition), erasures_key(partition), *map(state_key, user_ids)]
        info, found, blobs, erasures = self._run(partition, _READ, keys, [str(after), ENTRIES_PER_READ])
        entries = [
            Entry.parse(partition, entry_id, dict(zip(fields[::2], fields[1::2], strict=True)))
            for entry_id, fields in found
        ]
        return PartitionRead(StreamInfo.parse(info) if info else None, entries, blobs, _count_erasures(erasures))

    def erasures(self, partitions: range) -> dict[int, int]:
        """Return how many visitors of each partition were erased; UNFINISHED while one is being erased."""
        found = self._patiently(
            lambda: self._clients.each(partitions, lambda pipeline, each: pipeline.hgetall(erasures_key(each)))
        )
        return {
            partition: _count_erasures([part for pair in fields.items() for part in pair])
            for partition, fields in found.items()
        }

    def write(self, resolutions: Sequence[tuple[str, Resolution]], *, partition: int, erasures: int) -> list[int]:
        """Write states of visitors of one partition.

        Args:
            resolutions: The visitors, and what to write.
            partition: Theirs.
            erasures: How many visitors of it had been erased when the first of its events was read.

        Returns:
            For each visitor 1 if it was written, 0 if it had changed since it was read, -1 if one of the partition was erased.
        """
        arguments: list[bytes | int | str] = [erasures]
        now = self._clock()
        for user_id, resolution in resolutions:
            assert resolution.state is not None
            change = Change(user_id, resolution.base, resolution.state, ())
            ttl = resolution.ttl_millis
            arguments += [resolution.base.revision, change.blob(now, self._writer), "" if ttl is None else ttl]
        keys = [erasures_key(partition), *(state_key(user_id) for user_id, _ in resolutions)]
        return [int(written) for written in self._run(partition, _WRITE, keys, arguments)]

    def _run(self, partition: int, script: str, keys: Sequence[str], arguments: Sequence[bytes | int | str]) -> Any:
        def run() -> Any:
            registered: Any = self._clients.of_partition(partition).register_script(script)
            return registered(keys=keys, args=arguments)

        return self._patiently(run)

    def _patiently(self, call: Callable[[], _T]) -> _T:
        # Each call may be sent again: a write whose reply was lost finds another revision, and the visitor is read again.
        deadline: float | None = None
        while True:
            try:
                result = call()
            except (RedisConnectionError, RedisTimeoutError) as error:
                failure: RedisError = error
            except RedisError as error:
                # A store before 7 names the cause inside of the script's error.
                if not isinstance(error, ReadOnlyError) and "READONLY" not in str(error):
                    raise EventLogStoreError(f"redis_url: the store refuses: {str(error)[:200]}") from error
                failure = error
            else:
                if deadline is not None:
                    self._warn("the store answers again")
                return result
            if deadline is None:
                deadline = monotonic() + self._patience_seconds
                self._warn(f"the store does not answer ({str(failure)[:200]}); waiting for it")
            if monotonic() >= deadline or self._stop.wait(_RETRY_SECONDS):
                raise EventLogStoreError(
                    f"redis_url: the store went away ({str(failure)[:200]}); run the same again"
                ) from failure
            self._clients.reconnect()  # its name may lead to another server by now


def _count_erasures(fields: Sequence[bytes]) -> int:
    found = dict(zip(fields[::2], fields[1::2], strict=True))
    count = int(found.pop(b"count", 0))
    return UNFINISHED if found else count
