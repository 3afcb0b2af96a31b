"""One connection to the store that all calls share: requests of one loop tick go out in one write, and replies come back in order.

Redis and Valkey answer a connection's requests in the order in which they came, so a queue of those who wait tells whom a reply is
for. Who stops waiting stays in the queue, and the reply is thrown away: it can never reach another, and giving up breaks nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

import hiredis
from redis.asyncio.connection import SSLConnection, parse_url

from presage_server.errors import StoreUnavailableError

__all__ = ["Command", "ConnectionLostError", "SharedConnection"]

Command = Sequence[bytes | str | int]
"""A command and its arguments."""

_MOST_WAITING = 20_000
_CONNECT_SECONDS = 5.0
_HUNG_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.25
_NOTHING = object()


class ConnectionLostError(StoreUnavailableError):
    """The connection broke; the request may have been carried out, or not."""


class SharedConnection:
    """Sends requests over one connection, which is made when it is first needed, and made anew when it breaks.

    Args:
        url: redis://, rediss:// or unix://, as redis-py reads it.

    Raises:
        ValueError: The URL cannot be understood.
    """

    def __init__(self, url: str) -> None:
        self._address: dict[str, Any] = dict(parse_url(url))
        self._link: _Link | None = None
        self._connecting: asyncio.Task[_Link] | None = None
        self._pause_seconds = 0.0
        self._pause_ends = 0.0

    async def execute(self, command: Command) -> Any:
        """Send one command and wait for its reply; an error reply is a ``hiredis.ReplyError``, as a value.

        Raises:
            StoreUnavailableError: The store does not answer. With ConnectionLostError the command may have been carried out.
        """
        link = self._link
        if link is None:
            link = await self._connected()
        (reply,) = await link.send((command,))
        return reply

    async def execute_all(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands, and wait for all their replies; as ``execute`` does."""
        link = self._link
        if link is None:
            link = await self._connected()
        return await link.send(commands) if commands else []

    async def close(self) -> None:
        """Close the connection; who still waits is told that it is lost."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self._link is not None:
            self._link.close()
            await self._link.closed

    async def _connected(self) -> _Link:
        """Connect, together with all others who want to; soon after a failure, fail at once."""
        task = self._connecting
        if task is None:
            if asyncio.get_running_loop().time() < self._pause_ends:
                raise StoreUnavailableError("the store does not answer; try again")
            task = self._connecting = asyncio.create_task(self._connect())
            task.add_done_callback(self._on_connected)
        # Who gives up waiting does not take the others' connection away.
        return await asyncio.shield(task)

    async def _connect(self) -> _Link:
        address = self._address
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                if "path" in address:
                    _, link = await loop.create_unix_connection(lambda: _Link(self._on_lost), address["path"])
                else:
                    tls = address.get("connection_class") is SSLConnection
                    context = SSLConnection(**_without_class(address)).ssl_context.get() if tls else None
                    host, port = address.get("host", "localhost"), address.get("port", 6379)
                    _, link = await loop.create_connection(lambda: _Link(self._on_lost), host, port, ssl=context)
                await _introduce(link, address)
        except (OSError, TimeoutError) as error:
            raise StoreUnavailableError("the store cannot be reached; try again") from error
        return link

    def _on_connected(self, task: asyncio.Task[_Link]) -> None:
        self._connecting = None
        if task.cancelled() or task.exception() is not None:
            longer = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)
            self._pause_seconds = max(longer, _FIRST_PAUSE_SECONDS)
            self._pause_ends = asyncio.get_running_loop().time() + self._pause_seconds
            return
        self._pause_seconds = 0.0
        link = task.result()
        if not link.closed.done():
            self._link = link

    def _on_lost(self, link: _Link) -> None:
        if self._link is link:
            self._link = None


class _Waiter:
    """Who waits for the replies to some commands."""

    __slots__ = ("count", "future", "replies")

    def __init__(self, count: int, future: asyncio.Future[list[Any]]) -> None:
        self.count = count
        self.future = future
        self.replies: list[Any] = []


class _Link(asyncio.Protocol):
    """One connection, from when it is made until it is lost."""

    def __init__(self, on_lost: Any) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self._waiters: deque[_Waiter] = deque()
        self._unsent: list[bytes] = []
        self._heard = self._loop.time()
        self._watch: asyncio.TimerHandle | None = None
        self.closed: asyncio.Future[None] = self._loop.create_future()
        """Done when the connection is lost."""

    def send(self, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        """Send commands with everything else of this tick; answers with a future of their replies.

        Raises:
            StoreUnavailableError: The connection is lost, or too many wait already.
        """
        if self.closed.done():
            raise ConnectionLostError("the connection to the store was lost; try again")
        if len(self._waiters) >= _MOST_WAITING:
            raise StoreUnavailableError("the store is behind by too many requests; try again")
        if not self._unsent:
            self._loop.call_soon(self._flush)
        if not self._waiters:
            self._heard = self._loop.time()
        # Its type stubs know only tuples of one.
        self._unsent.extend([hiredis.pack_command(tuple(command)) for command in commands])  # type: ignore[arg-type]
        waiter = _Waiter(len(commands), self._loop.create_future())
        self._waiters.append(waiter)
        return waiter.future

    def close(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by class
        self._watch = self._loop.call_later(_HUNG_SECONDS, self._look)

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        reader, waiters = self._reader, self._waiters
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not _NOTHING:
                waiter = waiters[0]
                waiter.replies.append(reply)
                if len(waiter.replies) == waiter.count:
                    waiters.popleft()
                    if not waiter.future.done():
                        waiter.future.set_result(waiter.replies)
        except (hiredis.ProtocolError, IndexError):
            # Not the protocol, or more replies than requests: nobody can tell any more whose the next one is.
            self.close()

    def connection_lost(self, _error: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self.closed.set_result(None)
        self._on_lost(self)
        self._unsent.clear()
        while self._waiters:
            future = self._waiters.popleft().future
            if not future.done():
                future.set_exception(ConnectionLostError("the connection to the store was lost; try again"))

    def _flush(self) -> None:
        if self._unsent and self._transport is not None:
            self._transport.write(b"".join(self._unsent))
            self._unsent.clear()

    def _look(self) -> None:
        """Give a connection up on which nothing comes for long while replies are due: the other end may be gone without a word."""
        if self._waiters and self._loop.time() - self._heard > _HUNG_SECONDS:
            self.close()
            return
        self._watch = self._loop.call_later(_HUNG_SECONDS / 2, self._look)


async def _introduce(link: _Link, address: dict[str, Any]) -> None:
    """Log in, choose the database, and say who we are."""
    commands: list[Command] = []
    if address.get("password"):
        login = (address["username"],) if address.get("username") else ()
        commands.append(("AUTH", *login, address["password"]))
    if address.get("db"):
        commands.append(("SELECT", address["db"]))
    commands.append(("CLIENT", "SETNAME", "presage"))
    for reply in await link.send(commands):
        if isinstance(reply, hiredis.ReplyError):
            link.close()
            with suppress(StoreUnavailableError):
                await link.closed
            raise StoreUnavailableError("the store refuses the login; the server's log says why") from reply


def _without_class(address: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in address.items() if name != "connection_class"}
