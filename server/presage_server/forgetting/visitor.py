"""A visitor in the store: state, quarantine and entries of the event stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from importlib import resources
from typing import Any, NamedTuple

from redis.exceptions import NoPermissionError

from presage_featurizer.event_log import BEGINNING, EntryId, partition_of, stream_key
from presage_server.eventlog.positions import pairs
from presage_server.forgetting.matching import EntryKind, EntryMatcher
from presage_server.store.clients import StoreClients
from presage_server.store.keys import erasures_key, quarantine_key, state_key

__all__ = ["EVERYTHING", "Cut", "FoundEntry", "StoredVisitor"]

_ENTRIES_PER_READ = 256
_IDS_PER_CALL = 128
_KEYS_PER_SCAN = 1_000
_MAX_SEQUENCE = 2**64 - 1
_SLOW_LOG_ENTRIES = 100_000
_SLOW_LOG_BYTES = 100
"""The store truncates the arguments that it logs."""
_ERASE = resources.files("presage_server.forgetting").joinpath("erase.lua").read_text()


class FoundEntry(NamedTuple):
    """An entry of the visitor's stream that is the visitor's."""

    entry_id: EntryId
    kind: EntryKind
    fresh: bool
    """Whether it is an event that was folded into no state."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The moment of an erasure: what is older is erased, what is newer stays."""

    events: EntryId
    """The last entry before the state was erased: later events were folded into a new one."""
    computed: EntryId
    """The last entry of which it was waited for calls that had read the old state: vectors and exposures up to here are erased."""

    def last_of(self, kind: EntryKind) -> EntryId:
        """Return the last entry to erase of a kind."""
        return self.events if kind is EntryKind.EVENT else self.computed


_END = EntryId(2**63 - 1, _MAX_SEQUENCE)
EVERYTHING = Cut(_END, _END)
"""After every entry."""


class StoredVisitor:
    """One visitor of a store. Methods raise redis-py's errors.

    Args:
        clients: Of the store.
        user_id: The visitor.
    """

    def __init__(self, clients: StoreClients, user_id: str) -> None:
        self._clients = clients
        self.partition = partition_of(user_id)
        self._redis: Any = clients.of_partition(self.partition)
        self._user_id = user_id
        self._matcher = EntryMatcher(user_id)
        self._erase: Any = self._redis.register_script(_ERASE)
        # Not the id: it stays in the store if the erasure does not come to its end.
        self._erasure = blake2b(user_id.encode(), digest_size=8).hexdigest()
        self.stream = stream_key(self.partition)

    def erase_state(self) -> tuple[EntryId, int]:
        """Erase state and quarantine; return the last entry before that, and how many keys there were.

        From now on no backfill writes a state of the visitor's partition, until ``finish``.
        """
        return self._run(self._erasure)

    def newest(self) -> EntryId:
        """Return a place in the stream that all of its entries have, or had, before now."""
        seconds, micros = self._redis.time()
        return EntryId(seconds * 1_000 + micros // 1_000 - 1, _MAX_SEQUENCE)

    def finish(self) -> None:
        """Let backfills go on, those that read events before now excepted."""
        key = erasures_key(self.partition)
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hincrby(key, "count", 1)
        pipeline.hdel(key, self._erasure)
        pipeline.execute()

    def find_keys(self) -> list[str]:
        """Return the keys of the store that are the visitor's own: all names in it are looked at.

        No command has the id: a slow one would be in the store's slow log.
        """
        ends = tuple(f":{kind}:{self._user_id}".encode() for kind in ("u", "aside"))
        found = {
            key.decode(errors="replace")
            for redis in self._clients.of_servers()
            for key in redis.scan_iter(count=_KEYS_PER_SCAN)
            if key.endswith(ends) and key.startswith(b"{p")
        }
        return sorted(found)

    def slow_commands(self) -> int:
        """Return how many commands in the stores' slow logs name the visitor; 0 where the user may not read those."""
        needles = [key.encode()[:_SLOW_LOG_BYTES] for key in (state_key(self._user_id), quarantine_key(self._user_id))]
        found = 0
        with suppress(NoPermissionError):
            for redis in self._clients.of_servers():
                commands: Any = redis.slowlog_get(_SLOW_LOG_ENTRIES)
                found += sum(any(needle in each["command"] for needle in needles) for each in commands)
        return found

    def clear_slow_log(self) -> None:
        """Clear the stores' slow logs if they name the visitor: single commands cannot be taken out."""
        if self.slow_commands():
            for redis in self._clients.of_servers():
                redis.slowlog_reset()

    def entries(self) -> Iterator[FoundEntry]:
        """Return the visitor's entries in the stream, the oldest first."""
        after = BEGINNING
        while found := self._redis.xrange(self.stream, f"({after}", "+", count=_ENTRIES_PER_READ):
            for encoded_id, fields in found:
                kind = self._matcher.kind_of(fields)
                if kind is not None:
                    yield FoundEntry(EntryId.parse(encoded_id), kind, b"fresh" in fields)
            after = EntryId.parse(found[-1][0])

    def delete(self, entries: Sequence[EntryId]) -> list[EntryId]:
        """Delete entries from the stream; return those that were there."""
        deleted = []
        for start in range(0, len(entries), _IDS_PER_CALL):
            some = entries[start : start + _IDS_PER_CALL]
            pipeline = self._redis.pipeline(transaction=False)
            for entry_id in some:
                pipeline.xdel(self.stream, str(entry_id))
            deleted += [entry_id for entry_id, count in zip(some, pipeline.execute(), strict=True) if count]
        return deleted

    def groups(self) -> dict[str, EntryId]:
        """Return the consumer groups of the stream, each with the last entry that it was given."""
        if not self._redis.exists(self.stream):
            return {}
        groups = (pairs(reply) for reply in self._redis.execute_command("XINFO", "GROUPS", self.stream))
        return {group[b"name"].decode(): EntryId.parse(group[b"last-delivered-id"]) for group in groups}

    def _run(self, erasure: str) -> tuple[EntryId, int]:
        keys = [
            state_key(self._user_id),
            quarantine_key(self._user_id),
            self.stream,
            erasures_key(self.partition),
        ]
        millis, last, erased = self._erase(keys=keys, args=[erasure])
        return max(EntryId(int(millis) - 1, _MAX_SEQUENCE), EntryId.parse(last)), int(erased)
