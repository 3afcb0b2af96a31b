"""The one connection that all calls share: what a tick of the loop brings goes out in one write, and what breaks is made anew."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any

from presage_server.errors import StoreUnavailableError
from presage_server.store.address import Address
from presage_server.store.resp import ReplyError
from presage_server.store.wire import Request, Wire

__all__ = ["Connection"]

_logger = logging.getLogger(__name__)

_MAX_PENDING_BYTES = 64 << 20
_LOOK_SECONDS = 1.0
_PATIENCE_SECONDS = 0.25
_FIRST_PAUSE_SECONDS = 0.002
_LONGEST_PAUSE_SECONDS = 0.02
_STEADY_SECONDS = 1.0
"""A connection that lasted so long was a good one."""


class Connection:
    """A multiplexed connection to one Redis-protocol server. It connects when it is first used.

    A call whose connection breaks before its reply has come is sent once more, unless it says that it may not be made twice.

    While there is no connection, a call waits for the next attempt to make one. As long as there are calls, attempts are
    at most 20 ms apart: a store that is back is used at once, and one that is down fails its calls within milliseconds.

    Args:
        address: Where to connect to.
        max_pending_bytes: What may wait to be sent or answered; calls beyond it fail at once.
        look_seconds: How often to look whether the store still answers: after three looks without a reply to anything a new
            connection is made.
        patience_seconds: How long calls wait for an attempt to connect; the attempt itself may take the address's connect_seconds.
    """

    def __init__(
        self,
        address: Address,
        *,
        max_pending_bytes: int = _MAX_PENDING_BYTES,
        look_seconds: float = _LOOK_SECONDS,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        self._address = address
        self._max_pending_bytes = max_pending_bytes
        self._look_seconds = look_seconds
        self._patience_seconds = patience_seconds
        self._wire: Wire | None = None
        self._connected_at = 0.0
        self._unsent: list[Request] = []
        self._unsent_bytes = 0
        self._flush_is_due = False
        self._attempt: asyncio.Task[None] | None = None
        self._out_of_patience = False
        self._failures = 0
        self._failure: Exception | None = None
        self._closed = False

    def call(self, payload: bytes, replies: int = 1, *, repeatable: bool = True) -> asyncio.Future[list[Any]]:
        """Send commands; they go out together with those of all other callers in this tick of the loop.

        The future may be cancelled at any time; nobody else is affected.

        Args:
            payload: The commands, encoded.
            replies: How many commands they are.
            repeatable: Whether the commands may be sent once more when the connection breaks.

        Returns:
            The replies, in order; for a command that the store refused it is a ReplyError. Or StoreUnavailableError: the connection
            broke twice, or could not be made; the commands may have been carried out.

        Raises:
            StoreUnavailableError: There is no connection, and none to be expected soon, or the store is far behind with replies.
        """
        loop = asyncio.get_running_loop()
        wire = self._wire
        pending = self._unsent_bytes if wire is None else self._unsent_bytes + wire.awaited_bytes
        if pending and pending + len(payload) > self._max_pending_bytes:
            raise StoreUnavailableError("the store is behind with its answers; try again")
        if wire is None and (self._closed or self._out_of_patience):
            raise _no_answer()
        request = Request(payload, replies, loop.create_future())
        request.was_sent = not repeatable
        self._unsent.append(request)
        self._unsent_bytes += request.memory_bytes
        if wire is None:
            self._connect()
        elif not self._flush_is_due:
            self._flush_is_due = True
            loop.call_soon(self._flush)
        return request.future

    async def open(self) -> None:
        """Connect now, if there is no connection yet.

        Raises:
            OSError, ValueError, ReplyError, StoreUnavailableError: It cannot be made.
        """
        if self._wire is None:
            await asyncio.wait([self._connect()])
        if self._wire is None:
            raise self._failure or ConnectionResetError("the store ended the connection at once")

    async def close(self) -> None:
        """End the connection; calls that wait fail, as do later ones."""
        self._closed = True
        if self._attempt is not None:
            self._attempt.cancel()
            await asyncio.wait([self._attempt])
        if self._wire is not None:
            wire = self._wire
            wire.end()
            await wire.wait_lost()
        self._fail_unsent()

    def _flush(self) -> None:
        """Send what is wanted of what has not been sent."""
        self._flush_is_due = False
        wire = self._wire
        if wire is None or not wire.writable:
            return
        requests = [request for request in self._unsent if not request.future.done()]
        self._unsent.clear()
        self._unsent_bytes = 0
        if requests:
            wire.send(requests)

    def _fail_unsent(self) -> None:
        unsent, self._unsent, self._unsent_bytes = self._unsent, [], 0
        _fail(unsent)

    def _on_lost(self, wire: Wire, unanswered: list[Request]) -> None:
        if wire is not self._wire:  # it broke while it was being made
            _fail(unanswered)
            return
        self._wire = None
        now = asyncio.get_running_loop().time()
        self._failures = 0 if now - self._connected_at >= _STEADY_SECONDS else self._failures + 1
        _fail([request for request in unanswered if request.was_sent])
        again = [request for request in unanswered if not request.future.done()]
        for request in again:
            request.was_sent = True
        self._unsent[:0] = again
        self._unsent_bytes += sum(request.memory_bytes for request in again)
        if not self._closed:
            self._connect()

    def _connect(self) -> asyncio.Task[None]:
        """Try to connect, unless that is being tried already."""
        if self._attempt is None:
            self._attempt = asyncio.get_running_loop().create_task(self._try_to_connect())
        return self._attempt

    async def _try_to_connect(self) -> None:
        loop = asyncio.get_running_loop()
        end_of_patience = None
        try:
            if self._failures:
                pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** min(self._failures - 1, 10))
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - so that servers do not come in step
            end_of_patience = loop.call_later(self._patience_seconds, self._end_patience)
            wire = await self._make_wire()
        except (OSError, ValueError, ReplyError, StoreUnavailableError) as error:
            if not self._failures:
                _logger.warning("the store cannot be connected to: %s", str(error) or "no answer")
            self._failures += 1
            self._failure = error
        else:
            self._wire = wire
            self._connected_at = loop.time()
            self._flush()
        finally:
            if end_of_patience is not None:
                end_of_patience.cancel()
            self._out_of_patience = False
            self._attempt = None
            if self._wire is None:
                self._fail_unsent()

    async def _make_wire(self) -> Wire:
        """Connect and log in."""
        wire: Wire | None = None

        def make() -> Wire:
            nonlocal wire
            wire = Wire(look_seconds=self._look_seconds, on_writable=self._flush, on_lost=self._on_lost)
            return wire

        try:
            async with asyncio.timeout(self._address.connect_seconds):
                made = await self._address.open(make)
                await self._greet(made)
                return made
        except BaseException:
            if wire is not None:
                wire.end()
            raise

    async def _greet(self, wire: Wire) -> None:
        login = self._address.login()
        greeting = [*login, self._address.introduction()]
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        wire.send([Request(b"".join(greeting), len(greeting), future)])
        for reply in (await future)[: len(login)]:
            if isinstance(reply, ReplyError):
                raise reply
        if wire.lost:
            raise ConnectionResetError("the store ended the connection at once")

    def _end_patience(self) -> None:
        self._out_of_patience = True
        self._fail_unsent()


def _fail(requests: list[Request]) -> None:
    for request in requests:
        if not request.future.done():
            request.future.set_exception(_no_answer())


def _no_answer() -> StoreUnavailableError:
    return StoreUnavailableError("the store does not answer; try again")
