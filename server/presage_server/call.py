"""One call: what came in, until when it must be answered, and how it is answered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import grpc

from presage_server.access.scopes import Principal
from presage_server.errors import RpcError
from presage_server.rpc.status import OK, Status, status_of

__all__ = ["CANCELLED", "Call", "Metadata"]

CANCELLED: int = grpc.StatusCode.CANCELLED.value[0]
_DEADLINE_EXCEEDED: int = grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
_DEADLINE_TOLERANCE_SECONDS = 0.005
_DEADLINE_ROUNDING = 0.01

Metadata = Sequence[tuple[str, str | bytes]]
"""Keys and values as gRPC transmits them; values are bytes where the key ends in ``-bin``."""


class Call(ABC):
    """One unary call. A transport makes it and implements how replies leave; exactly one of ``reply`` and ``fail`` takes effect.

    Args:
        method: The full path of the method, such as ``/presage.v1.ScoringService/Score``.
        request: The request's bytes.
        received: When it arrived, in seconds of ``time.monotonic``.
        deadline: When the caller gives up, in seconds of ``time.monotonic``; infinite without a deadline.
        metadata: What the caller sent beside the request.
        peer: The connection that it arrived on, such as ``ipv4:127.0.0.1:50100``.
    """

    # A slotted class without dataclass machinery: one is made for every call.
    __slots__ = (
        "code",
        "deadline",
        "metadata",
        "method",
        "on_end",
        "peer",
        "principal",
        "received",
        "request",
        "trace",
        "units",
    )

    def __init__(  # noqa: PLR0917 - by position, which is the fastest
        self, method: str, request: bytes, received: float, deadline: float, metadata: Metadata = (), peer: str = ""
    ) -> None:
        self.method = method
        self.request = request
        self.received = received
        self.deadline = deadline
        self.metadata = metadata
        self.peer = peer
        self.principal: Principal | None = None
        """Who calls, by their token; None where no tokens are asked for, and everybody may do everything."""
        self.code: int | None = None
        """The gRPC status that the call ended with; None while it is in flight."""
        self.on_end: Callable[[Call], None] | None = None
        """Called once when the call has ended."""
        self.trace: Any = None
        """What is known of a call that is traced, for the tracer; None for others."""
        self.units = 1
        """How much work it is, as the overload policy estimates it."""

    def reply(self, payload: bytes) -> None:
        """End the call with a response; does nothing if it has ended already."""
        if self.code is None:
            self.end(0)
            self.send_reply(payload)

    def fail(self, error: Status | RpcError) -> None:
        """End the call with a status other than OK; does nothing if it has ended already."""
        if self.code is None:
            status = status_of(error) if isinstance(error, Exception) else error
            assert status.code != OK
            self.end(status.code)
            self.send_failure(status)

    def end_by_caller(self, now: float) -> None:
        """Note that the caller no longer waits: its deadline has passed, or it has cancelled, which look the same.

        A caller's own clock runs ahead of ``deadline``, which gRPC rounds up by up to one percent on its way here.
        """
        tolerance = _DEADLINE_TOLERANCE_SECONDS + _DEADLINE_ROUNDING * (self.deadline - self.received)
        self.end(_DEADLINE_EXCEEDED if self.deadline - tolerance <= now else CANCELLED)

    def end(self, code: int) -> None:
        """Note that the call has ended, without sending anything: for a transport whose caller cancelled or has gone."""
        self.code = code
        if self.on_end is not None:
            self.on_end(self)

    @abstractmethod
    def send_reply(self, payload: bytes) -> None:
        """Send a response; for ``reply`` alone."""

    @abstractmethod
    def send_failure(self, status: Status) -> None:
        """Send a status other than OK; for ``fail`` alone."""
