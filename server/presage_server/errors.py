"""The errors that callers and operators see.

ServerError
├── RpcError                     ends a call with its own gRPC status; its text is for the caller
│   ├── InvalidRequestError      INVALID_ARGUMENT: the request breaks the contract; names the field; not worth repeating
│   ├── ModelNotFoundError       NOT_FOUND: no model or feature set of that name; names the field
│   ├── NotExplainedError        FAILED_PRECONDITION: this model's scores cannot be explained; train or export it again
│   ├── StoreUnavailableError    UNAVAILABLE: the store does not answer; try again
│   │   └── CommandRejectedError UNAVAILABLE: the store answers, but rejected what was sent for one visitor; see the log
│   ├── StoreFullError           FAILED_PRECONDITION: the store is out of memory and rejected the write; give it more
│   ├── OverloadedError          RESOURCE_EXHAUSTED: the call could not be answered in time; try again, later or elsewhere
│   ├── ContendedVisitorError    ABORTED: other writers changed the visitor at every try; try again
│   ├── UnreadableStateError     DATA_LOSS: what is stored of this visitor cannot be read
│   ├── StateTooNewError         FAILED_PRECONDITION: a newer release wrote this visitor's state; finish the roll-out
│   ├── DeadlineError            DEADLINE_EXCEEDED: no time left to do the work
│   ├── NotPermittedError        PERMISSION_DENIED: this server was not started to allow it, or the token does not
│   ├── StaleRevisionError       ABORTED: it was decided on an older revision; read the newest and decide again
│   ├── VersionRejectedError     FAILED_PRECONDITION: a version of a model cannot be served; says why
│   └── InternalError            INTERNAL: unexpected; has an id, under which the log has the details
└── StartupError                 the server cannot start; its text is for the operator
    ├── SettingsError            a setting is wrong; names it
    ├── ModelError               a model bundle cannot be served; names the file and the reason
    ├── StoreStartError          the store cannot be reached or started
    └── TokensError              the tokens file cannot be used; names it and the reason
"""

from __future__ import annotations

from typing import ClassVar

import grpc

__all__ = [
    "CommandRejectedError",
    "ContendedVisitorError",
    "DeadlineError",
    "InternalError",
    "InvalidRequestError",
    "ModelError",
    "ModelNotFoundError",
    "NotExplainedError",
    "NotPermittedError",
    "OverloadedError",
    "RpcError",
    "ServerError",
    "SettingsError",
    "StaleRevisionError",
    "StartupError",
    "StateTooNewError",
    "StoreFullError",
    "StoreStartError",
    "StoreUnavailableError",
    "TokensError",
    "UnreadableStateError",
    "VersionRejectedError",
]


class ServerError(Exception):
    """Base of everything that the server raises itself."""


class RpcError(ServerError):
    """Expected: ends a call with a status; the text is sent to the caller."""

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field
        """The invalid field of the request; empty if none is."""
        self.description = message
        """What is wrong, without the field's name."""


class InvalidRequestError(RpcError):
    """Expected: the request breaks the contract; the caller should correct it."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class ModelNotFoundError(RpcError):
    """Expected: no such model or feature set here; the caller should name another."""

    code = grpc.StatusCode.NOT_FOUND


class NotExplainedError(RpcError):
    """Expected: the model serves, but its scores cannot be explained; the operator should train or export it again."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class StoreUnavailableError(RpcError):
    """Unexpected: the store does not answer; the caller should try again."""

    code = grpc.StatusCode.UNAVAILABLE


class CommandRejectedError(StoreUnavailableError):
    """Unexpected: the store answers, but rejected what was sent for one visitor; the operator should look at the log."""


class StoreFullError(RpcError):
    """Unexpected: the store is out of memory and rejected the write; the operator should give it more.

    Not RESOURCE_EXHAUSTED, which clients repeat: memory does not come back within a call's time.
    """

    code = grpc.StatusCode.FAILED_PRECONDITION


class OverloadedError(RpcError):
    """Expected: the call could not be answered in time and nothing was done; the caller should try again, later or elsewhere."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class UnreadableStateError(RpcError):
    """Unexpected: what is stored of this visitor cannot be read; the operator should look at the server's log."""

    code = grpc.StatusCode.DATA_LOSS


class ContendedVisitorError(RpcError):
    """Unexpected: other servers changed the visitor at every try; the caller should try again."""

    code = grpc.StatusCode.ABORTED


class StateTooNewError(RpcError):
    """Unexpected: a newer release wrote this visitor's state; the operator should finish the roll-out."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class DeadlineError(RpcError):
    """Expected: the call's time is up; the caller should allow more, or look at the server's load."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED


class NotPermittedError(RpcError):
    """Expected: the server was not started with what allows the call, or the token does not; the operator should decide."""

    code = grpc.StatusCode.PERMISSION_DENIED


class StaleRevisionError(RpcError):
    """Expected: there is a newer revision than the one that a change was decided on; the caller should read it and decide again."""

    code = grpc.StatusCode.ABORTED


class VersionRejectedError(RpcError):
    """Expected: a version of a model, or its aliases, cannot be used as they are; the operator should correct them."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class InternalError(RpcError):
    """Unexpected: a defect of ours; the text has the id under which the server's log has the details."""

    code = grpc.StatusCode.INTERNAL


class StartupError(ServerError):
    """Expected: the server cannot start; the operator should fix what the text names."""


class SettingsError(StartupError, ValueError):
    """Expected: a setting has a value that cannot work."""


class ModelError(StartupError):
    """Expected: a model bundle is broken, tampered with, or made for other features."""


class StoreStartError(StartupError):
    """Expected: the store cannot be reached, or is of a kind that cannot serve."""


class TokensError(StartupError):
    """Expected: the tokens file cannot be read, is not valid, or can be read by others."""
