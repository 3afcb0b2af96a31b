"""Visitors' states and the event log on Redis or Valkey: reads in one round trip, compare-and-set in another."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, Protocol, TypeVar

from presage_featurizer import CorruptStateError, encode_event
from presage_featurizer.event_log import partition_of, stream_key
from presage_server.clock import Clock
from presage_server.errors import (
    CommandRejectedError,
    RpcError,
    StoreFullError,
    StoreUnavailableError,
    UnreadableStateError,
)
from presage_server.store.keys import encode_reads, keys_of_commit
from presage_server.store.link import Link
from presage_server.store.resp import ReplyError, encode
from presage_server.store.snapshot import REVISION_BYTES, Change, Snapshot, read_snapshot
from presage_server.store.trouble import StoreTrouble, Trouble
from presage_server.store.written import WrittenEntries

__all__ = ["COMMIT_SCRIPT", "COMMIT_SHA", "Blob", "CommitResult", "OfVisitor", "RedisStore", "unavailable"]

COMMIT_SCRIPT = resources.files("presage_server.store").joinpath("commit.lua").read_text()
COMMIT_SHA = hashlib.sha1(COMMIT_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_STREAM, _BLOB, _FIRST_EVENT = 1, 4, 9
"""The places of the stream's key, the new blob and the first event among the script's keys and arguments."""

Blob = bytes | ReplyError | None
"""What is stored of a visitor: bytes, None for nothing, or the error of a key that cannot be read."""

CommitResult = bytes | Snapshot | RpcError
"""The new revision of a change that was made; the snapshot found instead; or why nothing was written."""


class OfVisitor(Protocol):
    """What belongs to one visitor."""

    user_id: str


T = TypeVar("T", bound=OfVisitor)


class RedisStore:
    """What calls do with the store, over a link. Nothing is sent before ``flush`` or ``pump`` of the link.

    Args:
        link: The connection.
        clock: Returns the time in microseconds.
        writer: WRITER_BYTES bytes of this process's own, best drawn at random.
        state_ttl_ms: How long a visitor is remembered after a write.
        stream_max_events: Events kept in a partition's stream, roughly; 0 keeps all.
    """

    def __init__(self, link: Link, *, clock: Clock, writer: bytes, state_ttl_ms: int, stream_max_events: int) -> None:
        self.link = link
        self._clock = clock
        self._writer = writer
        self._state_ttl_ms = state_ttl_ms
        self._stream_max_events = stream_max_events
        self.trouble = StoreTrouble(lambda: link.down, lambda: link.outages)
        """What the store rejects."""
        self.written = WrittenEntries()
        """What it last took, to see whether it keeps it."""

    def divider(self) -> Callable[[str], object] | None:
        """Return a function that groups visitors by the server that they wait for; None: there is one group."""
        return None

    def divide(self, items: Sequence[T]) -> Sequence[Sequence[T]]:
        """Divide items into parts whose visitors may wait for each other's data."""
        return (items,)

    def read(self, user_ids: Sequence[str], on_blobs: Callable[[Sequence[Blob] | None], None]) -> None:
        """Read visitors, in the order of the ids; None if the store does not answer."""
        # One GET each, not an MGET: each key has its own error, and an absent key is not confused with one of another type.
        self.link.send(encode_reads(user_ids), len(user_ids), on_blobs)

    def commit(self, changes: Sequence[Change], on_results: Callable[[Sequence[CommitResult]], None]) -> None:
        """Write each change whose visitor is still as the change found it, together with its events."""
        calls = [self._commit_call(change) for change in changes]

        def on_replies(replies: list[Any] | None) -> None:
            if replies is None:
                on_results([unavailable()] * len(calls))
                return
            unknown = [place for place, reply in enumerate(replies) if _starts_with(reply, "NOSCRIPT")]
            if unknown:  # the server restarted, failed over, or flushed its scripts
                self._repeat(calls, replies, unknown, on_results)
            else:
                on_results([self._result(call, reply) for call, reply in zip(calls, replies, strict=True)])

        self.link.send(_encode_scripts("EVALSHA", COMMIT_SHA, calls), len(calls), on_replies)

    def log_entry(self, user_id: str, field: str, encoded: bytes, on_result: Callable[[RpcError | None], None]) -> None:
        """Append an entry that is no event to the stream of its visitor's events, at most once."""
        limit = ("MAXLEN", "~", self._stream_max_events) if self._stream_max_events else ()
        command = encode("XADD", stream_key(partition_of(user_id)), *limit, "*", field, encoded)

        def on_replies(replies: list[Any] | None) -> None:
            if replies is None:
                on_result(unavailable())
            else:
                on_result(self._error(replies[0]) if isinstance(replies[0], ReplyError) else None)

        self.link.send(command, 1, on_replies, repeatable=False)

    def snapshot(self, blob: Blob) -> Snapshot:
        """Decode what was read of a visitor; what cannot be decoded becomes a snapshot that says so.

        Raises:
            StoreUnavailableError: The store rejected the read.
        """
        return self._foreign(blob) if isinstance(blob, ReplyError) else read_snapshot(blob)

    def _repeat(
        self,
        calls: Sequence[list[Any]],
        replies: list[Any],
        places: Sequence[int],
        on_results: Callable[[Sequence[CommitResult]], None],
    ) -> None:
        def on_replies(again: list[Any] | None) -> None:
            results = [self._result(call, reply) for call, reply in zip(calls, replies, strict=True)]
            for place, index in enumerate(places):
                results[index] = unavailable() if again is None else self._result(calls[index], again[place])
            on_results(results)

        payload = _encode_scripts("EVAL", COMMIT_SCRIPT, [calls[place] for place in places])
        for place in places:
            replies[place] = None
        self.link.send(payload, len(places), on_replies)

    def _commit_call(self, change: Change) -> list[Any]:
        base = change.base
        return [
            *keys_of_commit(change.user_id),
            base.revision,
            change.blob(self._clock(), self._writer),
            self._state_ttl_ms,
            self._stream_max_events,
            "1" if base.damage is not None else "0",
            "1" if base.state is None else "0",
            *map(encode_event, change.events),
        ]

    def _result(self, call: list[Any], reply: Any) -> CommitResult:
        if isinstance(reply, ReplyError):
            return self._error(reply)
        blob: bytes = call[_BLOB]
        # If the change itself is there, it was made, its reply got lost, and it was sent again. The revision alone would not
        # show it: a call that ran out of time may have left another change of the same state, by the same writer.
        if isinstance(reply, list):
            self.written.note(call[_STREAM], reply[0], len(call) - _FIRST_EVENT, self.link.process)
        if isinstance(reply, list) or reply == blob:
            if self.trouble.lasts:
                self.trouble.note_write()
            return blob[:REVISION_BYTES]
        # The script returns '' where nothing is left: a visitor who expired, or was deleted, in between.
        return read_snapshot(reply or None)

    def _foreign(self, error: ReplyError) -> Snapshot:
        if not _starts_with(error, "WRONGTYPE"):
            raise self._error(error) from error
        return Snapshot(None, b"", CorruptStateError("expected a string, got a key of another type"))

    def _error(self, error: ReplyError) -> RpcError:
        # Its text may name keys, and so other visitors: it is for the log alone.
        trouble = self.trouble.note_rejection(error)
        if trouble is Trouble.FULL:
            return StoreFullError(
                "the store is out of memory and rejected the write; give it more, or shorten state_ttl_days"
            )
        if trouble is Trouble.READ_ONLY:
            self.link.drop("the store was demoted to a replica", logged=True)
            return unavailable()
        if trouble in {Trouble.LOADING, Trouble.CLUSTER}:
            return unavailable()
        if "WRONGTYPE" in str(error):  # older stores say it within the text of a script's error
            return UnreadableStateError("what is stored of this visitor, or its event stream, is of another type")
        return CommandRejectedError("the store rejected the command; the server's log says why")


def unavailable() -> StoreUnavailableError:
    """Return the error of a store that does not answer."""
    return StoreUnavailableError("the store does not answer; try again")


def _encode_scripts(command: str, script: str, calls: Sequence[list[Any]]) -> bytes:
    return b"".join([encode(command, script, 3, *call) for call in calls])


def _starts_with(reply: Any, word: str) -> bool:
    return isinstance(reply, ReplyError) and str(reply).startswith(word)
