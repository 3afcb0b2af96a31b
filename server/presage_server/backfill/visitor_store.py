"""Visitors' states and the end of their stream, read at one moment; and states written where nothing changed since."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from threading import Event as Flag
from time import monotonic
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from presage_featurizer.event_log import Entry, EntryId, partition_of, stream_key
from presage_server.backfill.resolving import Resolution
from presage_server.clock import Clock
from presage_server.eventlog.errors import EventLogStoreError
from presage_server.eventlog.positions import StreamInfo
from presage_server.store.clients import StoreClients
from presage_server.store.keys import state_key
from presage_server.store.snapshot import Change

__all__ = ["ENTRIES_PER_READ", "PartitionRead", "VisitorStore"]

ENTRIES_PER_READ = 128
"""The most entries that one call returns: the store serves nothing else meanwhile."""

_RETRY_SECONDS = 1.0
_SCRIPTS = resources.files("presage_server.backfill")
_READ = _SCRIPTS.joinpath("read.lua").read_text()
_WRITE = _SCRIPTS.joinpath("write.lua").read_text()


@dataclass(frozen=True, slots=True)
class PartitionRead:
    """A partition at one moment."""

    info: StreamInfo | None
    """Its stream; None if there is none."""
    entries: Sequence[Entry]
    """What follows the last entry that was read, at most ENTRIES_PER_READ."""
    blobs: Sequence[bytes | None]
    """The states of the visitors that were named, in their order."""

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
        keys = [stream_key(partition), *map(state_key, user_ids)]
        info, found, blobs = self._patiently(partition, _READ, keys, [str(after), ENTRIES_PER_READ])
        entries = [
            Entry.parse(partition, entry_id, dict(zip(fields[::2], fields[1::2], strict=True)))
            for entry_id, fields in found
        ]
        return PartitionRead(StreamInfo.parse(info) if info else None, entries, blobs)

    def write(self, resolutions: Sequence[tuple[str, Resolution]]) -> list[bool]:
        """Write states of visitors of one partition; return which were written, that is, had not changed since they were read."""
        arguments: list[bytes | int | str] = []
        now = self._clock()
        for user_id, resolution in resolutions:
            assert resolution.state is not None
            change = Change(user_id, resolution.base, resolution.state, ())
            ttl = resolution.ttl_millis
            arguments += [resolution.base.revision, change.blob(now, self._writer), "" if ttl is None else ttl]
        keys = [state_key(user_id) for user_id, _ in resolutions]
        partition = partition_of(resolutions[0][0])
        return [bool(written) for written in self._patiently(partition, _WRITE, keys, arguments)]

    def _patiently(
        self, partition: int, script: str, keys: Sequence[str], arguments: Sequence[bytes | int | str]
    ) -> Any:
        # Each call may be sent again: a write whose reply was lost finds another revision, and the visitor is read again.
        deadline: float | None = None
        while True:
            try:
                run: Any = self._clients.of_partition(partition).register_script(script)
                result = run(keys=keys, args=arguments)
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
