"""The connection to the store that all calls share: commands out, replies in, and what happens when the store does not answer."""

from __future__ import annotations

import logging
import socket
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from hiredis import ProtocolError

from presage_server.store.connecting import Connector, NotPrimaryError
from presage_server.store.request import OnReplies, Request
from presage_server.store.resp import ReplyError, encode
from presage_server.store.wire import Wire

__all__ = ["Link"]

_logger = logging.getLogger(__name__)

_HEARTBEAT_SECONDS, _CONNECT_WAIT_SECONDS = 1.0, 0.25
_MAX_PENDING_BYTES, _FAST_SECONDS = 64 << 20, 0.0005
_FASTER_WEIGHT, _SLOWER_WEIGHT = 0.5, 0.02
"""How much a round trip counts in the estimate: one that waited for a processor says little about the store."""
_POLLS, _FEW_REPLIES = 60, 2
"""How often a near store's reply to a small request is looked for, before sleeping until it comes: waking up takes longer."""
_ROLE = encode("ROLE")


class Link:
    """A multiplexed connection to one Redis-protocol server, for one thread. Nothing blocks longer than ``pump`` is allowed to.

    Requests of a connection that breaks are sent once more on the next one, unless they must not run twice. While a connection
    is being made, requests wait a quarter of a second; then, and when the store leaves a request unanswered for
    ``timeout_seconds``, the link is *down*: requests fail at once until a new connection has answered a probe.

    Args:
        connector: Makes connections, in a thread of its own.
        timeout_seconds: How long a request may be unanswered.
        max_pending_bytes: What may wait to be sent or answered; requests beyond it fail at once.
        name: What it connects to, in the log.
    """

    def __init__(
        self,
        connector: Connector,
        *,
        timeout_seconds: float = 0.5,
        max_pending_bytes: int = _MAX_PENDING_BYTES,
        clock: Callable[[], float] = monotonic,
        name: str = "the store",
    ) -> None:
        self._connector = connector
        self._name = name
        self._timeout_seconds = timeout_seconds
        self._max_pending_bytes = max_pending_bytes
        self._clock = clock
        self._wire: Wire | None = None
        self._unsent: list[Request] = []
        self._awaited: deque[Request] = deque()
        self._replies: list[Any] = []
        """The replies to the first awaited request so far."""
        self._pending_bytes = 0
        self._fail_at = 0.0
        """When requests stop waiting for a connection."""
        self._round_trip_seconds = 0.0
        self._heartbeat_at = 0.0
        self._ask_role, self._closed = True, False
        self._logged = False
        """Whether others have logged why the connection was dropped."""
        self.process = 0
        """Counts the processes of the store that were connected to: more than one after a restart or fail-over."""
        self.run_id = b""
        """The id of the last of them."""
        self.outages = 0
        """How often the link went down."""
        self.down = False
        """Whether requests fail at once because the store does not answer."""

    @property
    def pending(self) -> bool:
        """Whether any request waits for its replies."""
        return bool(self._awaited or self._unsent)

    @property
    def descriptor(self) -> int | None:
        """The file descriptor on which replies will come; None without a connection."""
        return None if self._wire is None else self._wire.connection.fileno()

    @property
    def silent(self) -> bool:
        """Whether the store has left a request unanswered for half of the time after which it counts as away."""
        return self.unanswered_seconds > self._timeout_seconds / 2

    @property
    def unanswered_seconds(self) -> float:
        """How long the oldest request has been unanswered."""
        return self._clock() - self._awaited[0].sent_at if self._awaited else 0.0

    @property
    def fast(self) -> bool:
        """Whether the store is near: its replies usually come before it is worth doing anything else."""
        return self._round_trip_seconds < _FAST_SECONDS

    def open(self, timeout_seconds: float) -> None:
        """Connect, waiting for it; for the start of a server.

        Raises:
            OSError, ValueError, ReplyError: It cannot be done.
        """
        self._adopt(self._connector.connect(timeout_seconds))

    def send(self, payload: bytes, replies: int, on_replies: OnReplies, *, repeatable: bool = True) -> None:
        """Send commands with the next ``flush`` or ``pump``.

        Args:
            payload: The commands, encoded.
            replies: How many.
            on_replies: Called once with the replies; at once, with None, if the link is down or too much is pending.
            repeatable: Whether the commands may run twice, when a connection breaks before the reply.
        """
        request = Request(payload, replies, on_replies, repeatable)
        too_much = self._pending_bytes and self._pending_bytes + request.memory_bytes > self._max_pending_bytes
        if self.down or self._closed or too_much:
            on_replies(None)
            return
        if self._wire is None and not self._unsent:
            self._connect()
        self._pending_bytes += request.memory_bytes
        self._unsent.append(request)

    def flush(self) -> None:
        """Write what has been sent since the last flush, in one system call."""
        wire = self._wire
        if wire is None or not (self._unsent or not wire.writable):
            return
        requests: list[Request] = []
        if wire.writable:  # otherwise they are better held back
            requests, self._unsent = self._unsent, []
        now = self._clock()
        for request in requests:
            request.sent_at = now
        self._awaited.extend(requests)
        try:
            wire.write(b"".join([request.payload for request in requests]))
        except OSError as error:
            self._lose(str(error))

    def pump(self, wait_seconds: float = 0.0) -> None:
        """Send, receive, and pass replies to their callers.

        Args:
            wait_seconds: How long to wait for replies if none are there yet; a near store is waited for a little longer.
        """
        if self._wire is None:
            self._adopt_connection(wait_seconds)
        self.flush()
        wire = self._wire
        if wire is None:
            return
        block = False
        read_at = self._clock()  # before the callbacks: a turn that takes long is not the silence of the store
        try:
            if wait_seconds and self._awaited:
                block = self.fast and wire.can_block and wire.writable
                if not block:
                    wire.wait(wait_seconds)
            polls = _POLLS if block and self._awaited[-1].replies <= _FEW_REPLIES else 0
            replies = wire.read(block=block, polls=polls)
        except OSError as error:
            self._lose(str(error))
        except ProtocolError:
            self._lose("the store sent what is not a reply")
        else:
            self._dispatch(wire, replies)
        self.flush()  # what the callbacks sent
        self._check_health(read_at)

    def drop(self, reason: str, *, logged: bool = False) -> None:
        """Close the connection to a wrong server, and find the right one; ``logged``: the caller has logged it."""
        if self._wire is not None:
            self._logged = logged
            self._connector.failure = NotPrimaryError()  # so that the next attempt is not made at once
            self._lose(reason)

    def close(self) -> None:
        """Close the connection; requests that wait fail, as do later ones."""
        self._closed = True
        self._connector.close()
        self._close_wire()
        self._fail_all()

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
        self._wire = Wire(connection)
        if self._connector.run_id != self.run_id:
            self.process += 1
            self.run_id = self._connector.run_id
        self._heartbeat_at = self._clock() + _HEARTBEAT_SECONDS
        if self.down and not self._logged:
            _logger.warning("%s answers again", self._name)
        self.down = self._logged = False

    def _dispatch(self, wire: Wire, replies: Sequence[Any]) -> None:
        for place, reply in enumerate(replies):
            if not self._awaited:
                # What came is a reply to no request. What follows could reach the wrong caller.
                self._lose("the store sent a reply too many")
                return
            request = self._awaited[0]
            self._replies.append(reply)
            if len(self._replies) < request.replies:
                continue
            self._awaited.popleft()
            complete, self._replies = self._replies, []
            self._pending_bytes -= request.memory_bytes
            if place == len(replies) - 1:
                self._note_round_trip(self._clock() - request.sent_at)
            request.on_replies(complete)
            if self._wire is not wire:  # the callback dropped the connection
                return

    def _note_round_trip(self, seconds: float) -> None:
        change = seconds - self._round_trip_seconds
        self._round_trip_seconds += change * (_FASTER_WEIGHT if change < 0 else _SLOWER_WEIGHT)

    def _check_health(self, now: float) -> None:
        if self._awaited and now - self._awaited[0].sent_at > self._timeout_seconds:
            # It may still carry out what it was sent, so nothing is sent again.
            self._close_wire()
            self._connector.start()
            self._go_down(f"no reply within {self._timeout_seconds:g} s")
        elif now >= self._heartbeat_at and self._wire is not None:
            self._heartbeat_at = now + _HEARTBEAT_SECONDS
            if self._ask_role:
                self.send(_ROLE, 1, self._on_role)
                self.flush()

    def _on_role(self, replies: list[Any] | None) -> None:
        if replies is None:
            return
        if isinstance(replies[0], ReplyError):
            # Not allowed to ask, or an unknown command.
            self._ask_role = not str(replies[0]).startswith(("NOPERM", "ERR"))
        elif replies[0][0] != b"master":
            self.drop(str(NotPrimaryError()))

    def _lose(self, reason: str) -> None:
        """The connection broke: send again, on the next one, what may run twice."""
        if not self._logged:
            _logger.info("the connection to %s broke: %s", self._name, reason)
        self._close_wire()
        unanswered = list(self._awaited)
        self._awaited.clear()
        lost = [request for request in unanswered if not request.repeatable]
        again = [request for request in unanswered if request.repeatable]
        for request in again:
            request.repeatable = False
        self._unsent[:0] = again
        if not self._closed:
            self._connect()
        self._fail(lost)

    def _go_down(self, reason: str) -> None:
        if not self.down:
            self.outages += 1
        if not (self.down or self._logged):
            cause = f" ({self._connector.failure})" if self._connector.failure else ""
            text = "%s does not answer: %s%s; scores are served without history, events are rejected"
            _logger.warning(text, self._name, reason, cause)
        self.down = True
        self._fail_all()

    def _close_wire(self) -> None:
        wire, self._wire = self._wire, None
        self._replies = []
        if wire is not None:
            wire.close()

    def _fail_all(self) -> None:
        requests, self._unsent = [*self._awaited, *self._unsent], []
        self._awaited.clear()
        self._fail(requests)

    def _fail(self, requests: Sequence[Request]) -> None:
        for request in requests:
            self._pending_bytes -= request.memory_bytes
            request.on_replies(None)
