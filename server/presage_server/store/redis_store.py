"""The store on Redis or Valkey, through redis-py: reads in one round trip, compare-and-set in another."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from importlib import resources
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    NoScriptError,
    OutOfMemoryError,
    RedisError,
    ResponseError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from presage_featurizer import CorruptStateError, encode_event
from presage_server.clock import Clock
from presage_server.errors import RpcError, StoreFullError, StoreStartError, StoreUnavailableError
from presage_server.fair_turn import FairTurn
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
        redis: The client, from ``connect``.
        clock: Tells the time.
        writer: WRITER_BYTES bytes of this process's own, best drawn at random.
        state_ttl_ms: How long a visitor is remembered after a write.
        stream_max_events: Events kept in a partition's stream, roughly; 0 keeps all.
    """

    def __init__(self, redis: Redis, *, clock: Clock, writer: bytes, state_ttl_ms: int, stream_max_events: int) -> None:
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
        try:
            if len(user_ids) == 1:
                blob: Any = await self._redis.get(state_key(user_ids[0]))
                return [read_snapshot(blob)]
            # Single GETs, not an MGET, so that the pipeline also works where the keys are on several nodes.
            pipeline = self._redis.pipeline(transaction=False)
            for user_id in user_ids:
                pipeline.get(state_key(user_id))
            blobs = await pipeline.execute(raise_on_error=False)
        except ResponseError as error:  # of the single GET: a pipeline answers with its errors
            return [_foreign(error)]
        except RedisError as error:
            raise _rpc_error(error) from error
        turn = FairTurn()
        snapshots = []
        for blob in blobs:
            snapshots.append(_foreign(blob) if isinstance(blob, RedisError) else read_snapshot(blob))
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
        try:
            if len(calls) == 1:  # as for every TrackEvent: a pipeline of one costs a sixth more
                replies: list[Any] = [await self._run_script(calls[0])]
            else:
                pipeline = self._redis.pipeline(transaction=False)
                for call in calls:
                    pipeline.evalsha(_COMMIT_SHA, 3, *call)
                replies = await pipeline.execute(raise_on_error=False)
                for position, reply in enumerate(replies):
                    if isinstance(reply, NoScriptError):
                        replies[position] = await self._run_script(calls[position])
        except RedisError as error:
            raise _rpc_error(error) from error
        return [_result(call, reply) for call, reply in zip(calls, replies, strict=True)]

    async def log_vector(self, user_id: str, encoded: bytes) -> None:
        """Append a served vector to the stream of its visitor's events.

        Raises:
            StoreUnavailableError: The store does not answer.
            StoreFullError: It is out of memory.
        """
        limit = self._stream_max_events or None
        try:
            await self._redis.xadd(stream_key(partition_of(user_id)), {"vector": encoded}, maxlen=limit)
        except RedisError as error:
            raise _rpc_error(error) from error

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

    async def _run_script(self, call: list[Any]) -> Any:
        """Run the script by itself; an error of the store is the answer, as in a pipeline."""
        try:
            try:
                return await self._redis.evalsha(_COMMIT_SHA, 3, *call)
            except NoScriptError:  # the server restarted, failed over, or flushed its scripts
                return await self._redis.eval(_COMMIT, 3, *call)
        except ResponseError as error:
            return error


def connect(url: str, *, connections: int) -> Redis:
    """Make a redis-py client for the request path: it waits for a connection, and tries a call again once on a broken one.

    Trying again is safe: a compare-and-set that was made the first time finds the visitor changed, and ``commit`` recognises
    the change as its own.

    Raises:
        StoreStartError: The URL cannot be understood.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=connections,
            timeout=None,  # the call's own deadline ends the wait
            protocol=2,  # the RESP3 handshake brings nothing that is used here, and switches a check of idle connections off
            retry=Retry(NoBackoff(), 1),
            socket_connect_timeout=5,
            # The call's own deadline again: what redis-py does for one of its own may swallow a cancellation before Python 3.12.
            socket_timeout=None,
            client_name="presage",
        )
    except ValueError as error:
        raise StoreStartError(f"redis_url: cannot be understood: {error}") from error
    return Redis.from_pool(pool)


def _result(call: list[Any], reply: Any) -> Snapshot | RpcError | None:
    if isinstance(reply, RedisError):
        return _rpc_error(reply)
    # If the change itself stands there, it was made, its answer got lost, and redis-py sent it again. The revision alone would not
    # tell: a call that ran out of time may have left another change of the same state on its way, of the same writer.
    if reply is None or reply == call[_BLOB]:
        return None
    # The script says '' where nothing stands any more: a visitor who expired, or was deleted, in between.
    return read_snapshot(reply or None)


def _foreign(error: RedisError) -> Snapshot:
    """Make a snapshot of a key that cannot be read, because it holds something that is not ours.

    Raises:
        StoreUnavailableError: The store refused for another reason.
    """
    if not str(error).startswith("WRONGTYPE"):
        raise _rpc_error(error) from error
    return Snapshot(None, b"", CorruptStateError("expected a string, got a key of another type"))


def _rpc_error(error: RedisError) -> RpcError:
    # Redis before 7 hides a script's error in the text of another.
    if isinstance(error, OutOfMemoryError) or "OOM command not allowed" in str(error):
        return StoreFullError(
            "the store is out of memory and refused the write; give it more, or shorten state_ttl_days"
        )
    if isinstance(error, RedisConnectionError | RedisTimeoutError):
        return StoreUnavailableError("the store does not answer; try again")
    # Its text may name keys, so other visitors: it is for the log alone.
    _logger.error("the store refused a call: %s", error)
    return StoreUnavailableError("the store refused the call; the server's log says why")
