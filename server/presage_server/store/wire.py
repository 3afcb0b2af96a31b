"""One socket to the store for as long as it lasts: bytes out, replies in."""

from __future__ import annotations

import select
import socket
import ssl
import struct
from typing import Any

from hiredis import Reader

__all__ = ["Wire"]

_RECEIVE_BYTES = 1 << 16
_SELECT_FDS = 1_024
_BLOCKING_WAIT = struct.pack("ll", 0, 1_000)
_INCOMPLETE = object()


class Wire:
    """A socket whose calls return at once, unless they are asked to wait.

    Args:
        connection: A connected socket, or a TLS one; the wire owns it.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._reader = Reader(notEnoughData=_INCOMPLETE)
        self._unwritten = b""
        self._no_wait: tuple[int, ...] = ()
        """The flag of system calls that must not wait; a TLS socket takes none, and is non-blocking itself."""
        if isinstance(connection, ssl.SSLSocket):
            connection.setblocking(False)
        else:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _BLOCKING_WAIT)
            connection.setblocking(True)
            self._no_wait = (socket.MSG_DONTWAIT,)

    @property
    def can_block(self) -> bool:
        """Whether ``read`` can wait for replies itself, which is one system call instead of two."""
        return bool(self._no_wait)

    @property
    def writable(self) -> bool:
        """Whether all that was written has been taken by the socket."""
        return not self._unwritten

    def write(self, data: bytes = b"") -> None:
        """Write, behind what the socket has not taken yet; raises OSError if the connection is broken."""
        data = self._unwritten + data if self._unwritten else data
        self._unwritten = b""
        try:
            sent = self.connection.send(data, *self._no_wait)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            sent = 0
        if sent < len(data):
            self._unwritten = data[sent:]

    def wait(self, seconds: float) -> None:
        """Wait until there is something to read, or room to write what is unwritten."""
        descriptor = self.connection.fileno()
        if descriptor < _SELECT_FDS:  # waits exact to microseconds, as poll does not
            select.select((descriptor,), (descriptor,) if self._unwritten else (), (), seconds)
        else:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN | (select.POLLOUT if self._unwritten else 0))
            poll.poll(max(1, round(seconds * 1e3)))

    def read(self, *, block: bool = False, polls: int = 0) -> list[Any]:
        """Return the replies that have arrived whole; errors among them as ReplyError.

        Args:
            block: Whether to wait for the first bytes, a millisecond or so.
            polls: How often to look for them before that.

        Raises:
            OSError: The connection is broken or was closed.
            ProtocolError: What came is not a reply.
        """
        replies: list[Any] = []
        reader = self._reader
        while True:
            flags = () if block and not polls else self._no_wait
            try:
                data = self.connection.recv(_RECEIVE_BYTES, *flags)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if polls:
                    polls -= 1
                    continue
                return replies
            if not data:
                raise ConnectionResetError("the store closed the connection")
            reader.feed(data)
            while (reply := reader.gets()) is not _INCOMPLETE:
                replies.append(reply)
            if len(data) < _RECEIVE_BYTES and self._no_wait:
                return replies
            block, polls = False, 0

    def close(self) -> None:
        """Close the socket."""
        self.connection.close()
