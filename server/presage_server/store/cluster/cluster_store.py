"""Visitors' states and the event log on a cluster: what ``RedisStore`` does on one server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from presage_featurizer.event_log import partition_of, stream_key
from presage_server.clock import Clock
from presage_server.errors import RpcError
from presage_server.store.cluster.cluster_link import ClusterLink
from presage_server.store.cluster.routed import UNANSWERED, Routed
from presage_server.store.keys import encode_reads
from presage_server.store.redis_store import (
    COMMIT_SCRIPT,
    COMMIT_SHA,
    Blob,
    CommitResult,
    OfVisitor,
    RedisStore,
    unavailable,
)
from presage_server.store.resp import ReplyError, encode
from presage_server.store.snapshot import Change, Snapshot

__all__ = ["ClusterStore"]

T = TypeVar("T", bound=OfVisitor)

_KEYS = 3
"""State, event stream, quarantine: see ``keys_of_commit``."""


class ClusterStore(RedisStore):
    """As ``RedisStore``, whose arguments it takes, over a link to each server.

    What is read or written together may be on several servers; the results come when all of them have answered, or those that do
    not answer are given up. So whoever does not want to wait for the slowest asks for each server's visitors apart: see
    ``divider`` and ``divide``.
    """

    link: ClusterLink  # type: ignore[assignment] # what is used of it is the same

    def __init__(
        self, link: ClusterLink, *, clock: Clock, writer: bytes, state_ttl_ms: int, stream_max_events: int
    ) -> None:
        super().__init__(
            link,  # type: ignore[arg-type] # what is used of it is the same
            clock=clock,
            writer=writer,
            state_ttl_ms=state_ttl_ms,
            stream_max_events=stream_max_events,
        )

    def divider(self) -> Callable[[str], object] | None:
        """Return a function that groups visitors by their server; None while all servers respond quickly."""
        return None if self.link.healthy else self._server_of

    def divide(self, items: Sequence[T]) -> Sequence[Sequence[T]]:
        """Divide items by the servers of their visitors, unless all of them answer soon."""
        if self.link.healthy:
            return (items,)
        found: dict[object, list[T]] = {}
        for item in items:
            found.setdefault(self._server_of(item.user_id), []).append(item)
        return list(found.values())

    def _server_of(self, user_id: str) -> object:
        return self.link.link_of(partition_of(user_id))

    def read(self, user_ids: Sequence[str], on_blobs: Callable[[Sequence[Blob] | None], None]) -> None:
        """Read visitors, in the order of the ids; None if no server answers."""

        def on_replies(replies: list[Any]) -> None:
            on_blobs(None if all(reply is UNANSWERED for reply in replies) else replies)

        partitions = [partition_of(user_id) for user_id in user_ids]
        commands = [encode_reads((user_id,)) for user_id in user_ids]
        Routed(self.link, partitions, commands, on_replies).send()

    def commit(self, changes: Sequence[Change], on_results: Callable[[Sequence[CommitResult]], None]) -> None:
        """Write each change whose visitor is still as the change found it, together with its events."""
        calls = [self._commit_call(change) for change in changes]
        partitions = [partition_of(change.user_id) for change in changes]

        def finish(replies: Sequence[Any]) -> None:
            on_results([self._result(call, reply) for call, reply in zip(calls, replies, strict=True)])

        def on_replies(replies: list[Any]) -> None:
            unknown = [place for place, reply in enumerate(replies) if _is_unknown_script(reply)]
            if not unknown:
                finish(replies)
                return

            def on_repeated(again: list[Any]) -> None:
                for place, reply in zip(unknown, again, strict=True):
                    replies[place] = reply
                finish(replies)

            commands = [_encode("EVAL", COMMIT_SCRIPT, changes[place], calls[place]) for place in unknown]
            Routed(self.link, [partitions[place] for place in unknown], commands, on_repeated).send()

        commands = [_encode("EVALSHA", COMMIT_SHA, change, call) for change, call in zip(changes, calls, strict=True)]
        Routed(self.link, partitions, commands, on_replies).send()

    def log_entry(self, user_id: str, field: str, encoded: bytes, on_result: Callable[[RpcError | None], None]) -> None:
        """Append an entry that is no event to the stream of its visitor's events, at most once."""
        partition = partition_of(user_id)
        limit = ("MAXLEN", "~", self._stream_max_events) if self._stream_max_events else ()
        command = encode("XADD", stream_key(partition), *limit, "*", field, encoded)

        def on_replies(replies: list[Any]) -> None:
            on_result(self._error(replies[0]) if isinstance(replies[0], ReplyError) else None)

        Routed(self.link, [partition], [command], on_replies, repeatable=False).send()

    def _foreign(self, error: ReplyError) -> Snapshot:
        if error is UNANSWERED:
            raise unavailable()
        return super()._foreign(error)

    def _error(self, error: ReplyError) -> RpcError:
        return unavailable() if error is UNANSWERED else super()._error(error)


def _encode(command: str, script: str, change: Change, call: list[Any]) -> bytes:
    # While a slot moves, a command runs only where all of its keys are, so those that it does not need are left out.
    keys = _KEYS if change.base.damage is not None else _KEYS - 1
    return encode(command, script, keys, *call[:keys], *call[_KEYS:])


def _is_unknown_script(reply: Any) -> bool:
    return isinstance(reply, ReplyError) and str(reply).startswith("NOSCRIPT")
