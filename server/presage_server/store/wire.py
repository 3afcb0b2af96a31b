"""One connection to the store for as long as it lasts: requests go out together, and each reply goes to the one that it answers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

from hiredis import ProtocolError, Reader

__all__ = ["Request", "Wire"]

_NOT_YET = object()
_SILENT_LOOKS = 3
_REQUEST_BYTES = 256
"""What a request takes besides its payload."""


class Request:
    """Commands that are sent together, and whose replies are awaited together.

    Args:
        payload: The commands, encoded.
        replies: How many commands they are.
        future: Gets the replies, in order; one that is an error is a ReplyError.
    """

    __slots__ = ("future", "memory_bytes", "payload", "replies", "was_sent")

    def __init__(self, payload: bytes, replies: int, future: asyncio.Future[list[Any]]) -> None:
        self.payload = payload
        self.replies = replies
        self.future = future
        self.memory_bytes = len(payload) + _REQUEST_BYTES
        """What it takes in memory, roughly."""
        self.was_sent = False
        """Whether a connection that broke may have brought it to the store."""


class Wire(asyncio.Protocol):
    """A connection. It is made once, breaks once, and then nothing of it is used again.

    Redis answers in the order in which it was asked, so the first reply that comes belongs to the first request that waits.
    A request whose caller has gone keeps its place, or all replies behind it would move up by one.

    Args:
        look_seconds: How often to look whether the store still answers; one that has not at three looks is taken for gone.
        on_writable: Called when the store takes requests again, after a time at which ``writable`` was False.
        on_lost: Called once, with the requests that got no reply, when the connection is broken or was ended.
    """

    def __init__(
        self, *, look_seconds: float, on_writable: Callable[[], None], on_lost: Callable[[Wire, list[Request]], None]
    ) -> None:
        self.writable = True
        """Whether the store takes what is sent; False once it lets too much pile up."""
        self.awaited_bytes = 0
        """What the requests that wait for replies take in memory."""
        self.lost = False
        """Whether the connection is broken or was ended."""
        self._look_seconds = look_seconds
        self._on_writable = on_writable
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._reader = Reader(notEnoughData=_NOT_YET)
        self._awaited: deque[Request] = deque()
        self._replies: list[Any] = []
        """The replies to the first of those that wait, so far."""
        self._heard = True
        self._silent_looks = 0

    def send(self, requests: Sequence[Request]) -> None:
        """Send requests in one write."""
        self._awaited.extend(requests)
        payload = requests[0].payload if len(requests) == 1 else b"".join([request.payload for request in requests])
        for request in requests:
            self.awaited_bytes += request.memory_bytes
        assert self._transport is not None
        self._transport.write(payload)

    def end(self) -> None:
        """End the connection at once, if there is one."""
        if self._transport is not None:
            self._transport.abort()

    async def wait_lost(self) -> None:
        """Wait until the connection is gone."""
        await asyncio.shield(self._end)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by their class
        self._next_look = self._loop.call_later(self._look_seconds, self._look)

    def data_received(self, data: bytes) -> None:
        """Hand out replies."""
        self._heard = True
        gets, awaited, replies = self._reader.gets, self._awaited, self._replies
        try:
            self._reader.feed(data)
            while (reply := gets()) is not _NOT_YET:
                request = awaited[0]
                replies.append(reply)
                if len(replies) < request.replies:
                    continue
                awaited.popleft()
                self.awaited_bytes -= request.memory_bytes
                if not request.future.done():  # its caller may have been cancelled
                    request.future.set_result(replies)
                replies = self._replies = []
        except (ProtocolError, IndexError):
            # What came is no reply, or nobody asked for it. Whatever follows could be given to the wrong caller.
            self.end()

    def pause_writing(self) -> None:
        """Hold requests back: those whose callers give up need not be sent any more."""
        self.writable = False

    def resume_writing(self) -> None:
        """Go on."""
        self.writable = True
        self._on_writable()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it broke makes no difference
        """Give back what was not answered."""
        self._next_look.cancel()
        unanswered, self._awaited = list(self._awaited), deque()
        self.awaited_bytes = 0
        self.lost = True
        self._end.set_result(None)
        self._on_lost(self, unanswered)

    def _look(self) -> None:
        # Looks are counted, not seconds: if this process was stopped for long, replies may lie there unread.
        silent = bool(self._awaited) and not self._heard
        self._silent_looks = self._silent_looks + 1 if silent else 0
        self._heard = False
        if self._silent_looks >= _SILENT_LOOKS:
            self.end()
        else:
            self._next_look = self._loop.call_later(self._look_seconds, self._look)
