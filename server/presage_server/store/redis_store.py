"""The store on Redis or Valkey: reads in one round trip, compare-and-set in another."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from importlib import resources
from typing import Any

import hiredis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from presage_featurizer import CorruptStateError, encode_event
from presage_server.clock import Clock
from presage_server.errors import RpcError, StoreFullError, StoreStartError, StoreUnavailableError
from presage_server.fair_turn import FairTurn
from presage_server.store.connection import Command, ConnectionLostError, SharedConnection
from presage_server.store.keys import aside_key, partition_of, state_key, stream_key
from presage_server.store.snapshot import Change, Snapshot, read_snapshot

__all__ = ["RedisStore", "connect"]

_logger = logging.getLogger(__name__)

_COMMIT = resources.files("presage_server.store").joinpath("commit.lua").read_text()
_COMMIT_SHA = hashlib.sha1(_COMMIT.encode(), usedforsecurity=False).hexdigest()
_BLOB = 4
"""Where the new blob stands among the arguments of the script."""
_OLDEST = (6, 2)
_UNITS_OF_A_STATE = 5


class RedisStore:
    """Visitors' states and the event log on one Redis-protocol server.

    Args:
        connection: What calls go over, from ``connect``.
        redis: A redis-py client, also from there, for all that no call waits for.
        clock: Tells the time.
        writer: WRITER_BYTES bytes of this process's own, best drawn at random.
        state_ttl_ms: How long a visitor is remembered after a write.
        stream_max_events: Events kept in a partition's stream, roughly; 0 keeps all.
    """

    def __init__(
        self,
        connection: SharedConnection,
        redis: Redis,
        *,
        clock: Clock,
        writer: bytes,
        state_ttl_ms: int,
        stream_max_events: int,
    ) -> None:
        self._connection = connection
        self._redis = redis
        self._clock = clock
        self._writer = writer
        self._state_ttl_ms = state_ttl_ms
        self._stream_max_events = stream_max_events

    async def read(self, user_ids: Sequence[str]) -> list[Snapshot]:
        """Read visitors, in one round trip and in the order of the ids.

        Raises:
            StoreUnavailableError: The store does not answer.
        """
        if len(user_ids) == 1:
            return [_snapshot(await self._again_if_lost(("GET", state_key(user_ids[0]))))]
        # Single GETs, not an MGET, which would take a key that holds something else for none.
        commands = [("GET", state_key(user_id)) for user_id in user_ids]
        blobs = await self._all_again_if_lost(commands)
        turn = FairTurn()
        snapshots = []
        for blob in blobs:
            snapshots.append(_snapshot(blob))
            await turn.take(_UNITS_OF_A_STATE)
        return snapshots

    async def commit(self, changes: Sequence[Change]) -> list[Snapshot | RpcError | None]:
        """Write each change whose visitor is still as the change found it, together with its events; all in one round trip.

        Returns:
            For each change None if it was made, otherwise what stands instead, or the store's own error, such as StoreFullError;
            then nothing of it was written.

        Raises:
            StoreUnavailableError: The store does not answer; it may have made some of the changes.
        """
        calls = [self._commit_call(change) for change in changes]
        replies = await self._all_again_if_lost([("EVALSHA", _COMMIT_SHA, 3, *call) for call in calls])
        for position, reply in enumerate(replies):
            # The server restarted, failed over, or flushed its scripts.
            if isinstance(reply, hiredis.ReplyError) and str(reply).startswith("NOSCRIPT"):
                replies[position] = await self._again_if_lost(("EVAL", _COMMIT, 3, *calls[position]))
        return [_result(call, reply) for call, reply in zip(calls, replies, strict=True)]

    async def _again_if_lost(self, command: Command) -> Any:
        """Send a command, and once more if the connection broke.

        That is safe: a compare-and-set that was made the first time finds the visitor changed, and ``commit`` recognises the
        change as its own.
        """
        try:
            return await self._connection.execute(command)
        except ConnectionLostError:
            return await self._connection.execute(command)

    async def _all_again_if_lost(self, commands: Sequence[Command]) -> list[Any]:
        try:
            return await self._connection.execute_all(commands)
        except ConnectionLostError:
            return await self._connection.execute_all(commands)

    async def log_vector(self, user_id: str, encoded: bytes) -> None:
        """Append a served vector to the stream of its visitor's events.

        Raises:
            StoreUnavailableError: The store does not answer; it may have taken the vector.
            StoreFullError: It is out of memory.
        """
        limit = ("MAXLEN", "~", self._stream_max_events) if self._stream_max_events else ()
        # Never a second time: that could log it twice.
        reply = await self._connection.execute(
            ("XADD", stream_key(partition_of(user_id)), *limit, "*", "vector", encoded)
        )
        if isinstance(reply, hiredis.ReplyError):
            raise _refused(str(reply))

    async def prepare(self) -> str:
        """Check that the server can serve, load the script, and tell what the server is.

        Raises:
            StoreStartError: The server cannot be reached or is too old; the message says which.
        """
        try:
            info = await self._redis.info("server")
            await self._redis.script_load(_COMMIT)
        except (RedisError, OSError) as error:
            raise StoreStartError(f"redis_url: the store cannot be used: {error}") from error
        kind, version = (
            ("Valkey", info["valkey_version"]) if "valkey_version" in info else ("Redis", info["redis_version"])
        )
        if tuple(int(part) for part in str(info["redis_version"]).split(".")[:2]) < _OLDEST:
            raise StoreStartError(f"redis_url: expected Redis 6.2 or newer, got {version}")
        return f"{kind} {version}"

    async def eviction_policy(self) -> str:
        """Tell the server's eviction policy; empty where CONFIG is not allowed."""
        try:
            return str((await self._redis.config_get("maxmemory-policy")).get("maxmemory-policy", ""))
        except RedisError:
            return ""

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()
        await self._redis.aclose(close_connection_pool=True)

    def _commit_call(self, change: Change) -> list[Any]:
        user_id, base = change.user_id, change.base
        return [
            state_key(user_id),
            stream_key(partition_of(user_id)),
            aside_key(user_id),
            base.revision,
            change.blob(self._clock(), self._writer),
            self._state_ttl_ms,
            self._stream_max_events,
            "1" if base.damage is not None else "0",
            "1" if base.state is None else "0",
            *map(encode_event, change.events),
        ]


def connect(url: str) -> tuple[SharedConnection, Redis]:
    """Make what a RedisStore sends its requests over; nothing is connected yet.

    Raises:
        StoreStartError: The URL cannot be understood.
    """
    try:
        return (
            SharedConnection(url),
            Redis.from_url(
                url,
                protocol=2,  # the RESP3 handshake brings nothing that is used here, and switches a check of idle connections off
                retry=Retry(NoBackoff(), 1),
                socket_connect_timeout=5,
                socket_timeout=None,
                client_name="presage",
            ),
        )
    except ValueError as error:
        raise StoreStartError(f"redis_url: cannot be understood: {error}") from error


def _result(call: list[Any], reply: Any) -> Snapshot | RpcError | None:
    if isinstance(reply, hiredis.ReplyError):
        return _refused(str(reply))
    # If the change itself stands there, it was made, its answer got lost, and it was sent again. The revision alone would not
    # tell: a call that ran out of time may have left another change of the same state on its way, of the same writer.
    if reply is None or reply == call[_BLOB]:
        return None
    # The script says '' where nothing stands any more: a visitor who expired, or was deleted, in between.
    return read_snapshot(reply or None)


def _snapshot(reply: Any) -> Snapshot:
    """Make a snapshot of a reply to GET.

    Raises:
        StoreUnavailableError: The store refused.
    """
    if not isinstance(reply, hiredis.ReplyError):
        return read_snapshot(reply)
    if not str(reply).startswith("WRONGTYPE"):
        raise _refused(str(reply))
    return Snapshot(None, b"", CorruptStateError("expected a string, got a key of another type"))


def _refused(reason: str) -> RpcError:
    # Redis before 7 hides a script's error in the text of another.
    if (
        reason.startswith("OOM")
        or "OOM command not allowed" in reason
        or "command not allowed when used memory" in reason
    ):
        return StoreFullError(
            "the store is out of memory and refused the write; give it more, or shorten state_ttl_days"
        )
    # Its text may name keys, so other visitors: it is for the log alone.
    _logger.error("the store refused a call: %s", reason)
    return StoreUnavailableError("the store refused the call; the server's log says why")
