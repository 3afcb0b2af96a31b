"""The store on Redis or Valkey: reads in a round trip, compare-and-set in another, all on one connection."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from importlib import resources
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from presage_featurizer import CoreState, CorruptStateError, StateError, encode_event
from presage_featurizer.event_log import partition_of, stream_key
from presage_server.clock import Clock
from presage_server.errors import RpcError, StoreFullError, StoreStartError, StoreUnavailableError
from presage_server.pipeline.fair_turn import FairTurn
from presage_server.store.address import Address
from presage_server.store.connection import Connection
from presage_server.store.keys import quarantine_key, state_key
from presage_server.store.resp import ReplyError, encode, encode_exists, encode_get, encode_mget
from presage_server.store.snapshot import Change, Snapshot, read_snapshot, read_state

__all__ = ["RedisStore", "connect"]

_logger = logging.getLogger(__name__)

_COMMIT = resources.files("presage_server.store").joinpath("commit.lua").read_text()
_COMMIT_SHA = hashlib.sha1(_COMMIT.encode(), usedforsecurity=False).hexdigest()
_BLOB = 4
"""Where the new blob stands among the arguments of the script."""
_OLDEST = (6, 2)
_UNITS_OF_A_STATE = 5
_STATES_OF_A_TURN = 40
_FEW = 16
"""So many GETs cost hardly more than an MGET, and each has its own error."""
_KEYS_OF_AN_MGET = 512
"""The store does nothing else meanwhile."""


class RedisStore:
    """Visitors' states and the event log on one Redis-protocol server.

    Args:
        redis: The client for what is rare, from ``connect``.
        connection: The connection for what every call does, from ``connect``.
        clock: Tells the time.
        writer: WRITER_BYTES bytes of this process's own, best drawn at random.
        state_ttl_ms: How long a visitor is remembered after a write.
        stream_max_events: Events kept in a partition's stream, roughly; 0 keeps all.
    """

    def __init__(
        self,
        redis: Redis,
        connection: Connection,
        *,
        clock: Clock,
        writer: bytes,
        state_ttl_ms: int,
        stream_max_events: int,
    ) -> None:
        self._redis = redis
        self._connection = connection
        self._clock = clock
        self._writer = writer
        self._state_ttl_ms = state_ttl_ms
        self._stream_max_events = stream_max_events
        self._is_cluster = False

    async def read(self, user_ids: Sequence[str]) -> list[Snapshot]:
        """Read visitors, in the order of the ids: in one round trip, or in two where some of many visitors are new.

        Raises:
            StoreUnavailableError: The store does not answer.
        """
        snapshots: list[Snapshot] = []
        turn = FairTurn()
        for blob in await self._read_blobs(user_ids):
            snapshots.append(_foreign(blob) if isinstance(blob, ReplyError) else read_snapshot(blob))
            await turn.take(_UNITS_OF_A_STATE)
        return snapshots

    async def read_states(self, user_ids: Sequence[str], *, habits: bool) -> list[CoreState | StateError | None]:
        """Read visitors to look at, not to change; as ``read`` does, but with habits only where they are wanted.

        Raises:
            StoreUnavailableError: The store does not answer.
        """
        states: list[CoreState | StateError | None] = []
        turn = FairTurn()
        blobs = await self._read_blobs(user_ids)
        for start in range(0, len(blobs), _STATES_OF_A_TURN):
            states += [
                _foreign(blob).damage if isinstance(blob, ReplyError) else read_state(blob, habits=habits)
                for blob in blobs[start : start + _STATES_OF_A_TURN]
            ]
            await turn.take(_UNITS_OF_A_STATE * _STATES_OF_A_TURN)
        return states

    async def commit(self, changes: Sequence[Change]) -> list[Snapshot | RpcError | None]:
        """Write each change whose visitor is still as the change found it, together with its events; all in one round trip.

        Returns:
            For each change None if it was made, otherwise what stands instead, or the store's own error, such as StoreFullError;
            then nothing of it was written.

        Raises:
            StoreUnavailableError: The store does not answer; it may have made some of the changes.
        """
        if not changes:
            return []
        calls = [self._commit_call(change) for change in changes]
        replies = await self._run_script("EVALSHA", _COMMIT_SHA, calls)
        unknown = [place for place, reply in enumerate(replies) if _says(reply, "NOSCRIPT")]
        if unknown:  # the server restarted, failed over, or flushed its scripts
            again = await self._run_script("EVAL", _COMMIT, [calls[place] for place in unknown])
            for place, reply in zip(unknown, again, strict=True):
                replies[place] = reply
        return [_result(call, reply) for call, reply in zip(calls, replies, strict=True)]

    async def log_vector(self, user_id: str, encoded: bytes) -> None:
        """Append a served vector to the stream of its visitor's events, once at most.

        Raises:
            StoreUnavailableError: The store does not answer; it may have taken the vector.
            StoreFullError: It is out of memory.
        """
        limit = ("MAXLEN", "~", self._stream_max_events) if self._stream_max_events else ()
        command = encode("XADD", stream_key(partition_of(user_id)), *limit, "*", "vector", encoded)
        (reply,) = await self._connection.call(command, repeatable=False)
        if isinstance(reply, ReplyError):
            raise _rpc_error(reply)

    async def prepare(self) -> str:
        """Check that the server can serve, load the script, connect, and tell what the server is.

        Raises:
            StoreStartError: The server cannot be reached, is too old, or holds only a part of the keys; the message says which.
        """
        try:
            info = await self._redis.info("server")
            kind, version = (
                ("Valkey", info["valkey_version"]) if "valkey_version" in info else ("Redis", info["redis_version"])
            )
            if tuple(int(part) for part in str(info["redis_version"]).split(".")[:2]) < _OLDEST:
                raise StoreStartError(f"redis_url: expected Redis 6.2 or newer, got {version}")
            self._is_cluster = info.get("redis_mode") == "cluster"
            if self._is_cluster:
                nodes = int((await self._redis.cluster("INFO"))["cluster_size"])
                if nodes != 1:
                    raise StoreStartError(
                        f"redis_url: expected a server that holds every key, got one of a cluster of {nodes}"
                    )
            await self._redis.script_load(_COMMIT)
            await self._connection.open()
        except (RedisError, OSError, ReplyError, StoreUnavailableError) as error:
            raise StoreStartError(f"redis_url: the store cannot be used: {error}") from error
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

    async def _read_blobs(self, user_ids: Sequence[str]) -> list[Any]:
        """Read what is stored of visitors; an error in place of what is not ours."""
        if not user_ids:
            return []
        keys = [state_key(user_id).encode() for user_id in user_ids]
        return await (self._get(keys) if len(keys) <= _FEW or self._is_cluster else self._get_many(keys))

    async def _get(self, keys: Sequence[bytes]) -> list[Any]:
        """Read keys one by one, so that each has its own error."""
        if len(keys) == 1:
            return await self._connection.call(encode_get(keys[0]))
        return await self._connection.call(b"".join([encode_get(key) for key in keys]), len(keys))

    async def _get_many(self, keys: Sequence[bytes]) -> list[Any]:
        """Read many keys with fewer commands.

        MGET has None for a key that holds something else than a string, as for one that is not there. EXISTS tells these two apart;
        it is asked only where there is a None.
        """
        parts = [keys[start : start + _KEYS_OF_AN_MGET] for start in range(0, len(keys), _KEYS_OF_AN_MGET)]
        replies = await self._connection.call(b"".join([encode_mget(part) for part in parts]), len(parts))
        blobs: list[Any] = []
        for part, reply in zip(parts, replies, strict=True):
            blobs += await self._get(part) if isinstance(reply, ReplyError) else reply
        absent = [place for place, blob in enumerate(blobs) if blob is None]
        if absent:
            keys_absent = [keys[place] for place in absent]
            (existing,) = await self._connection.call(encode_exists(keys_absent))
            if existing != 0:
                for place, blob in zip(absent, await self._get(keys_absent), strict=True):
                    blobs[place] = blob
        return blobs

    def _commit_call(self, change: Change) -> list[Any]:
        user_id, base = change.user_id, change.base
        return [
            state_key(user_id),
            stream_key(partition_of(user_id)),
            quarantine_key(user_id),
            base.revision,
            change.blob(self._clock(), self._writer),
            self._state_ttl_ms,
            self._stream_max_events,
            "1" if base.damage is not None else "0",
            "1" if base.state is None else "0",
            *map(encode_event, change.events),
        ]

    async def _run_script(self, command: str, script: str, calls: Sequence[list[Any]]) -> list[Any]:
        return await self._connection.call(b"".join([encode(command, script, 3, *call) for call in calls]), len(calls))


def connect(url: str) -> tuple[Redis, Connection]:
    """Make the two ways to a store that RedisStore takes: redis-py's client for what is rare, and the connection that calls share.

    Each tries a call again once on a new connection when its own one breaks. That is safe: a compare-and-set that was made the
    first time finds the visitor changed, and ``commit`` recognises the change as its own.

    Raises:
        StoreStartError: The URL cannot be understood.
    """
    try:
        redis: Redis = Redis.from_url(
            url,
            protocol=2,  # the RESP3 handshake brings nothing that is used here
            retry=Retry(NoBackoff(), 1),
            socket_connect_timeout=5,
            socket_timeout=None,  # what redis-py does for one of its own may swallow a cancellation before Python 3.12
            client_name="presage",
        )
        return redis, Connection(Address.of(redis))
    except (ValueError, TypeError, OSError, RedisError) as error:
        raise StoreStartError(f"redis_url: cannot be understood: {error}") from error


def _result(call: list[Any], reply: Any) -> Snapshot | RpcError | None:
    if isinstance(reply, ReplyError):
        return _rpc_error(reply)
    # If the change itself stands there, it was made, its answer got lost, and it was sent again. The revision alone would not
    # tell: a call that ran out of time may have left another change of the same state on its way, of the same writer.
    if reply is None or reply == call[_BLOB]:
        return None
    # The script says '' where nothing stands any more: a visitor who expired, or was deleted, in between.
    return read_snapshot(reply or None)


def _foreign(error: ReplyError) -> Snapshot:
    """Make a snapshot of a key that cannot be read, because it holds something that is not ours.

    Raises:
        StoreUnavailableError: The store refused for another reason.
    """
    if not _says(error, "WRONGTYPE"):
        raise _rpc_error(error) from error
    return Snapshot(None, b"", CorruptStateError("expected a string, got a key of another type"))


def _says(reply: Any, word: str) -> bool:
    return isinstance(reply, ReplyError) and str(reply).startswith(word)


def _rpc_error(error: ReplyError) -> RpcError:
    # Redis before 7 hides a script's error in the text of another.
    if _says(error, "OOM ") or "OOM command not allowed" in str(error):
        return StoreFullError(
            "the store is out of memory and refused the write; give it more, or shorten state_ttl_days"
        )
    if _says(error, "LOADING"):
        return StoreUnavailableError("the store does not answer; try again")
    # Its text may name keys, so other visitors: it is for the log alone.
    _logger.error("the store refused a call: %s", error)
    return StoreUnavailableError("the store refused the call; the server's log says why")
