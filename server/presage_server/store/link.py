"""The connection to the store that all calls share: commands out, replies in, and what happens when the store does not answer."""

from __future__ import annotations

import logging
import select
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

from hiredis import ProtocolError, Reader

from presage_server.store.connecting import Connector, NotPrimaryError
from presage_server.store.resp import ReplyError, encode

__all__ = ["Link", "OnReplies", "SocketWatcher"]

_logger = logging.getLogger(__name__)

_RECEIVE_BYTES = 1 << 16
_HEARTBEAT_SECONDS = 1.0
_CONNECT_WAIT_SECONDS = 0.25
_MAX_PENDING_BYTES = 64 << 20
_REQUEST_BYTES = 256
"""What a request takes in memory besides its payload."""
_SELECT_FDS = 1_024
_FAST_SECONDS = 0.0005
_FASTER_WEIGHT, _SLOWER_WEIGHT = 0.5, 0.02
"""How much a round trip counts in the estimate: one that waited for a processor says little about the store."""
_BLOCKING_WAIT = struct.pack("ll", 0, 1_000)
_ROLE = encode("ROLE")
_INCOMPLETE = object()

OnReplies = Callable[[list[Any] | None], None]
"""Gets the replies in order, errors as ReplyError; None if the store did not answer, so the commands may or may not have run."""


class SocketWatcher(Protocol):
    """Has ``Link.pump`` called when the store has answered, where nobody waits in ``pump`` itself."""

    def watch(self, connection: socket.socket | None) -> None:
        """Watch this socket instead of the one before; None: watch nothing."""
        ...


class _Request:
    __slots__ = ("on_replies", "payload", "repeatable", "replies", "sent_at")

    def __init__(self, payload: bytes, replies: int, on_replies: OnReplies, repeatable: bool) -> None:  # noqa: FBT001
        self.payload = payload
        self.replies = replies
        self.on_replies = on_replies
        self.repeatable = repeatable
        self.sent_at = 0.0


class Link:
    """A multiplexed connection to one Redis-protocol server, for one thread. Nothing blocks longer than ``pump`` is allowed to.

    Requests of a connection that breaks are sent once more on the next one, unless they must not run twice. While a connection
    is being made, requests wait a quarter of a second; then, and when the store leaves a request unanswered for
    ``timeout_seconds``, the link is *down*: requests fail at once until a new connection has answered a probe. Connections are
    made in a thread of their own.

    Args:
        connector: Makes connections.
        timeout_seconds: How long a request may be unanswered.
        max_pending_bytes: What may wait to be sent or answered; requests beyond it fail at once.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        connector: Connector,
        *,
        timeout_seconds: float = 0.5,
        max_pending_bytes: int = _MAX_PENDING_BYTES,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._connector = connector
        self._timeout_seconds = timeout_seconds
        self._max_pending_bytes = max_pending_bytes
        self._watcher: SocketWatcher | None = None
        self._clock = clock
        self._socket: socket.socket | None = None
        self._reader = Reader(notEnoughData=_INCOMPLETE)
        self._unsent: list[_Request] = []
        self._awaited: deque[_Request] = deque()
        self._replies: list[Any] = []
        self._no_wait: tuple[int, ...] = ()
        """The flag of system calls that must not wait; a TLS socket takes none, and is non-blocking itself."""
        self._outgoing = b""
        """What the socket did not take of the last write."""
        self._pending_bytes = 0
        self._fail_at = 0.0
        """When requests stop waiting for a connection."""
        self._down = False
        self._round_trip_seconds = 0.0
        self._heartbeat_at = 0.0
        self._ask_role = True
        self._closed = False

    def watch_with(self, watcher: SocketWatcher | None) -> None:
        """Have the connection watched, now and after it has been replaced."""
        self._watcher = watcher
        if watcher is not None:
            watcher.watch(self._socket)

    @property
    def pending(self) -> bool:
        """Whether any request waits for its replies."""
        return bool(self._awaited or self._unsent)

    @property
    def down(self) -> bool:
        """Whether requests fail at once because the store does not answer."""
        return self._down

    @property
    def fast(self) -> bool:
        """Whether the store is near: its replies usually come before it is worth doing anything else."""
        return self._round_trip_seconds < _FAST_SECONDS

    def send(self, payload: bytes, replies: int, on_replies: OnReplies, *, repeatable: bool = True) -> None:
        """Send commands with the next ``flush`` or ``pump``.

        Args:
            payload: The commands, encoded.
            replies: How many commands they are.
            on_replies: Called once with the replies; at once, with None, if the link is down or too much is pending.
            repeatable: Whether the commands may run twice, when a connection breaks before the reply.
        """
        size = len(payload) + _REQUEST_BYTES
        if self._down or self._closed or (self._pending_bytes and self._pending_bytes + size > self._max_pending_bytes):
            on_replies(None)
            return
        if self._socket is None and not self._unsent:
            self._connect()
        self._pending_bytes += size
        self._unsent.append(_Request(payload, replies, on_replies, repeatable))

    def flush(self) -> None:
        """Write what has been sent since the last flush, in one system call."""
        connection = self._socket
        if connection is None or not (self._unsent or self._outgoing):
            return
        if self._unsent:
            requests, self._unsent = self._unsent, []
            now = self._clock()
            for request in requests:
                request.sent_at = now
            self._awaited.extend(requests)
            if len(requests) == 1 and not self._outgoing:
                self._outgoing = requests[0].payload
            else:
                self._outgoing = b"".join([self._outgoing, *[request.payload for request in requests]])
        try:
            sent = connection.send(self._outgoing, *self._no_wait)
            self._outgoing = self._outgoing[sent:] if sent < len(self._outgoing) else b""
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        except OSError as error:
            self._lose(str(error))

    def pump(self, wait_seconds: float = 0.0) -> None:
        """Send, receive, and hand replies to those who asked.

        Args:
            wait_seconds: How long to wait for replies if none are there yet.
        """
        if self._socket is None:
            self._adopt_connection(wait_seconds)
            if self._socket is None:
                return
        self.flush()
        block = False
        if wait_seconds and self._awaited and self._socket is not None:
            # One system call instead of two, where the reply is almost there; the kernel rounds short times up.
            block = bool(self._no_wait) and self.fast
            if not block:
                self._wait(self._socket, wait_seconds)
        self._receive(block=block)
        self.flush()  # what the callbacks sent
        self._check_health()

    def drop(self, reason: str) -> None:
        """Give the connection up because the server turned out to be the wrong one, and look for the right one."""
        if self._socket is not None:
            self._lose(reason)

    def close(self) -> None:
        """Close the connection; requests that wait fail, as do later ones."""
        self._closed = True
        self._connector.close()
        self._close_socket()
        self._fail_all()

    def open(self, timeout_seconds: float) -> None:
        """Connect, waiting for it; for the start of a server.

        Raises:
            TimeoutError, OSError, ValueError, ReplyError: It cannot be done.
        """
        self._adopt(self._connector.connect(timeout_seconds))

    def _connect(self) -> None:
        self._fail_at = self._clock() + _CONNECT_WAIT_SECONDS
        self._connector.start()

    def _adopt_connection(self, wait_seconds: float) -> None:
        connection = self._connector.take(wait_seconds if self._unsent else 0.0)
        if connection is not None:
            self._adopt(connection)
        elif self._unsent and self._clock() >= self._fail_at:
            self._go_down("no connection")

    def _adopt(self, connection: socket.socket) -> None:
        self._socket = connection
        self._no_wait = ()
        if not isinstance(connection, ssl.SSLSocket):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _BLOCKING_WAIT)
            connection.setblocking(True)
            self._no_wait = (socket.MSG_DONTWAIT,)
        self._reader = Reader(notEnoughData=_INCOMPLETE)
        self._replies, self._outgoing = [], b""
        self._heartbeat_at = self._clock() + _HEARTBEAT_SECONDS
        if self._watcher is not None:
            self._watcher.watch(connection)
        if self._down:
            _logger.warning("the store answers again")
        self._down = False

    def _wait(self, connection: socket.socket, seconds: float) -> None:
        descriptor = connection.fileno()
        if descriptor < _SELECT_FDS:  # waits exact to microseconds, as poll does not
            select.select((descriptor,), (descriptor,) if self._outgoing else (), (), seconds)
        else:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN | (select.POLLOUT if self._outgoing else 0))
            poll.poll(max(1, round(seconds * 1e3)))

    def _receive(self, *, block: bool) -> None:
        """Receive what is there; or wait for it first, a millisecond or so."""
        while (connection := self._socket) is not None:
            try:
                data = connection.recv(_RECEIVE_BYTES) if block else connection.recv(_RECEIVE_BYTES, *self._no_wait)
                block = False
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                self._lose(str(error))
                return
            if not data:
                self._lose("the store closed the connection")
                return
            self._dispatch(data)
            if len(data) < _RECEIVE_BYTES and not isinstance(connection, ssl.SSLSocket):
                return

    def _dispatch(self, data: bytes) -> None:
        reader, awaited = self._reader, self._awaited
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not _INCOMPLETE:
                replies, request = self._replies, awaited[0]
                replies.append(reply)
                if len(replies) < request.replies:
                    continue
                awaited.popleft()
                self._replies = []
                self._note_round_trip(self._clock() - request.sent_at)
                self._pending_bytes -= len(request.payload) + _REQUEST_BYTES
                request.on_replies(replies)
                if self._reader is not reader:  # the callback dropped the connection
                    return
        except (ProtocolError, IndexError):
            # What came is not a reply, or to no request. What follows could reach the wrong caller.
            self._lose("the store sent what is not a reply")

    def _note_round_trip(self, seconds: float) -> None:
        change = seconds - self._round_trip_seconds
        self._round_trip_seconds += change * (_FASTER_WEIGHT if change < 0 else _SLOWER_WEIGHT)

    def _check_health(self) -> None:
        now = self._clock()
        if self._awaited and now - self._awaited[0].sent_at > self._timeout_seconds:
            # As of now it may still carry out what it was sent, so nothing is sent again.
            self._close_socket()
            self._go_down(f"no reply within {self._timeout_seconds:g} s")
            self._connector.start()
        elif now >= self._heartbeat_at and self._socket is not None:
            self._heartbeat_at = now + _HEARTBEAT_SECONDS
            if self._ask_role and not self._awaited:
                self.send(_ROLE, 1, self._on_role)
                self.flush()

    def _on_role(self, replies: list[Any] | None) -> None:
        if replies is None:
            return
        if isinstance(replies[0], ReplyError):  # not allowed to ask
            self._ask_role = False
        elif replies[0][0] != b"master":
            self.drop(str(NotPrimaryError()))

    def _lose(self, reason: str) -> None:
        """The connection broke: send again, on the next one, what may run twice."""
        _logger.info("the connection to the store broke: %s", reason)
        self._close_socket()
        unanswered = [*self._awaited]
        self._awaited.clear()
        again = [request for request in unanswered if request.repeatable]
        for request in again:
            request.repeatable = False
        self._unsent[:0] = again
        if not self._closed:
            self._connect()
        self._fail([request for request in unanswered if request not in again])

    def _go_down(self, reason: str) -> None:
        if not self._down:
            cause = self._connector.failure
            _logger.warning(
                "the store does not answer: %s%s; scores are served without history, events are rejected",
                reason,
                f" ({cause})" if cause else "",
            )
        self._down = True
        self._fail_all()

    def _close_socket(self) -> None:
        connection, self._socket = self._socket, None
        self._reader = Reader(notEnoughData=_INCOMPLETE)
        self._replies, self._outgoing = [], b""
        if connection is not None:
            if self._watcher is not None:
                self._watcher.watch(None)
            connection.close()

    def _fail_all(self) -> None:
        requests = [*self._awaited, *self._unsent]
        self._awaited.clear()
        self._unsent = []
        self._fail(requests)

    def _fail(self, requests: list[_Request]) -> None:
        for request in requests:
            self._pending_bytes -= len(request.payload) + _REQUEST_BYTES
            request.on_replies(None)
