"""Connections of redis-py that ask where to go whenever they are made, and go elsewhere when a server is not the right one.

Everything that redis-py's clients do works with them: pipelines, scripts, reads that wait. redis-py does the same for Sentinels.
"""

from __future__ import annotations

import asyncio
from typing import Any

from redis import asyncio as redis_asyncio
from redis.asyncio.connection import Connection as AsyncConnection
from redis.asyncio.connection import SSLConnection as AsyncSSLConnection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ConstantBackoff
from redis.client import Redis
from redis.connection import Connection, SSLConnection
from redis.exceptions import AskError, ClusterDownError, ReadOnlyError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from presage_server.store.finding import Find

__all__ = ["StoreMovedError", "follow", "follow_async"]

_MOVED = (AskError, TryAgainError, ClusterDownError, ReadOnlyError)  # MovedError is an AskError
_PAUSE_SECONDS = 0.05
_TRIES = 100
"""With the pauses, five seconds: a failover may take that long."""


class StoreMovedError(RedisConnectionError):
    """The data is, or will soon be, on another server; the command was not carried out, so it can be repeated there."""


# redis-py's methods have no types: hence the names of type Any.


class _FoundConnection(Connection):
    def __init__(self, *, find: Find, **options: Any) -> None:
        begin: Any = super().__init__
        begin(**options)
        self._find = find

    def _connect(self) -> Any:
        self.host, self.port = self._find()
        connect: Any = super()._connect
        return connect()

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().read_response(*arguments, **options)
        except _MOVED as error:
            disconnect: Any = self.disconnect
            disconnect()
            raise StoreMovedError(str(error)) from error


class _FoundSSLConnection(_FoundConnection, SSLConnection):
    pass


class _AsyncFoundConnection(AsyncConnection):
    def __init__(self, *, find: Find, **options: Any) -> None:
        super().__init__(**options)
        self._find = find

    async def _connect(self) -> None:
        self.host, self.port = await asyncio.to_thread(self._find)
        connect: Any = super()._connect
        await connect()

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*arguments, **options)
        except _MOVED as error:
            await self.disconnect()
            raise StoreMovedError(str(error)) from error


class _AsyncFoundSSLConnection(_AsyncFoundConnection, AsyncSSLConnection):
    pass


def follow(client: Redis, find: Find) -> Redis:
    """Have a new client's connections go where ``find`` says; nothing is sent twice, but for what a server did not do."""
    pool: Any = client.connection_pool
    encrypted = issubclass(pool.connection_class, SSLConnection)
    pool.connection_class = _FoundSSLConnection if encrypted else _FoundConnection
    pool.connection_kwargs["find"] = find
    pool.connection_kwargs["retry"] = Retry(ConstantBackoff(_PAUSE_SECONDS), _TRIES, (StoreMovedError,))
    return client


def follow_async(client: redis_asyncio.Redis, find: Find) -> redis_asyncio.Redis:
    """As ``follow``, for a client of asyncio, whose callers set a limit: what may have been done is sent again, too."""
    pool: Any = client.connection_pool
    encrypted = issubclass(pool.connection_class, AsyncSSLConnection)
    pool.connection_class = _AsyncFoundSSLConnection if encrypted else _AsyncFoundConnection
    pool.connection_kwargs["find"] = find
    pool.connection_kwargs["retry"] = AsyncRetry(ConstantBackoff(_PAUSE_SECONDS), _TRIES, (RedisConnectionError,))
    return client
