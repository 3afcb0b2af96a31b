"""The errors that the clients raise.

    PresageError
    ├── InvalidRequestError     the request must change
    ├── NotFoundError           no such model or feature set
    ├── AccessDeniedError       the caller may not do this
    ├── UnsupportedError        the server does not know the call
    ├── OverloadedError         the server has more calls than it can answer in time
    ├── UnavailableError        the server cannot be reached, or cannot answer now
    ├── DeadlineExceededError   no answer in time
    ├── RequestCancelledError   the call was called off
    └── InternalError           the server failed

Which gRPC status becomes which class stands in one table at the end. gRPC's own exceptions never come through; they are
the ``__cause__``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grpc import StatusCode

if TYPE_CHECKING:  # types needs these errors
    from presage_client.types import TrackOutcome

__all__ = [
    "AccessDeniedError",
    "DeadlineExceededError",
    "InternalError",
    "InvalidRequestError",
    "NotFoundError",
    "OverloadedError",
    "PresageError",
    "RequestCancelledError",
    "UnavailableError",
    "UnsupportedError",
    "error_from_number",
    "error_from_status",
]


class PresageError(Exception):
    """Any failed call; catch this one to treat all failures alike.

    Attributes:
        message: What the server, or gRPC, said was wrong.
        code: The gRPC status of the call.
        origin: Which call failed, where, and under which request id; empty for one event of many.
        request_id: What was sent as ``x-request-id``; empty for one event of many.
        retry_after_ms: After how many milliseconds the server would take the call, where it said so, as for a token that calls too
            often; else None.
        outcomes: Set by ``track_many``: what became of the events before the call that failed, in order. The events
            from ``events[len(outcomes)]`` on are not known to be counted: send them again.
    """

    outcomes: tuple[TrackOutcome, ...] = ()
    request_id: str = ""
    retry_after_ms: float | None = None

    def __init__(self, message: str, code: StatusCode, origin: str = "") -> None:
        super().__init__(message, code, origin)
        self.message = message
        self.code = code
        self.origin = origin

    def __str__(self) -> str:
        return f"{self.origin or 'refused'}: {self.message or 'no reason given'} [{self.code.name}]"


class InvalidRequestError(PresageError):
    """Unexpected: the request breaks the contract, so fix the caller; sending it again will not help.

    Also a message over the size limit of either side.
    """

    @property
    def field(self) -> str | None:
        """The field that the server refused, such as ``event.items[2].price``; None if it named none."""
        match = _FIELD.match(self.message)
        return match[1] if match else None


class NotFoundError(PresageError):
    """Unexpected: the server serves no such model or feature set; compare the name with those of its bundles."""


class AccessDeniedError(PresageError):
    """Unexpected: the server does not know the caller or does not allow it the call; check the credentials."""


class UnsupportedError(PresageError):
    """Unexpected: the server does not know the call; check that the target is a Presage server, and its version."""


class OverloadedError(PresageError):
    """Expected under load: the server has more calls than it can answer in time, and did nothing, after retries; slow down.

    Also a caller who makes more calls than its token may: ``retry_after_ms`` says when the next one is taken.
    """


class UnavailableError(PresageError):
    """Expected now and then: no server could be reached or do its work, after retries; go on without, try later.

    The message says which: the server, its store, a store that is out of memory, or a visitor that a newer release has written.
    """


class DeadlineExceededError(PresageError):
    """Expected now and then: no answer in time; go on without a score, or allow more with ``timeout_ms``.

    A tracked event may have been counted all the same: send the same object again, it counts once.
    """


class RequestCancelledError(PresageError):
    """Expected at shutdown: the client was closed, or the server called the call off; do not use a closed client."""


class InternalError(PresageError):
    """Unexpected: the server failed or broke the contract; look in its log, for the id in the message if it has one."""


_FIELD = re.compile(r"([a-z_]\w*(?:\[\d+\])?(?:\.[a-z_]\w*(?:\[\d+\])?)*): ", re.ASCII)

# gRPC gives a message over a limit the status of an overload, but waiting does not make it shorter.
_TOO_LARGE = "message larger than max"

_CLASSES: dict[StatusCode, type[PresageError]] = {
    StatusCode.CANCELLED: RequestCancelledError,
    StatusCode.UNKNOWN: InternalError,
    StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    StatusCode.NOT_FOUND: NotFoundError,
    StatusCode.ALREADY_EXISTS: InvalidRequestError,
    StatusCode.PERMISSION_DENIED: AccessDeniedError,
    StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
    StatusCode.FAILED_PRECONDITION: UnavailableError,
    StatusCode.ABORTED: UnavailableError,
    StatusCode.OUT_OF_RANGE: InvalidRequestError,
    StatusCode.UNIMPLEMENTED: UnsupportedError,
    StatusCode.INTERNAL: InternalError,
    StatusCode.UNAVAILABLE: UnavailableError,
    StatusCode.DATA_LOSS: InternalError,
    StatusCode.UNAUTHENTICATED: AccessDeniedError,
}

_CODES: dict[int, StatusCode] = {code.value[0]: code for code in StatusCode}


def error_from_status(code: StatusCode, message: str, origin: str = "") -> PresageError:
    """Make the error that fits a gRPC status other than OK."""
    too_large = code is StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in message
    return (InvalidRequestError if too_large else _CLASSES[code])(message, code, origin)


def error_from_number(number: int, message: str) -> PresageError:
    """Make the error that fits a google.rpc.Code other than 0; a number that is none is taken for UNKNOWN."""
    return error_from_status(_CODES.get(number, StatusCode.UNKNOWN), message)
