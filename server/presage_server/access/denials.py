"""The responses to rejected calls."""

from __future__ import annotations

from math import ceil
from typing import Final, NamedTuple

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from presage_server.access.scopes import Principal, Scope
from presage_server.rpc.status import Status

__all__ = ["MALFORMED", "MISSING", "UNIMPLEMENTED", "UNKNOWN", "Denial", "over_rate", "wrong_scope"]

_UNAUTHENTICATED: Final = grpc.StatusCode.UNAUTHENTICATED.value[0]
_PERMISSION_DENIED: Final = grpc.StatusCode.PERMISSION_DENIED.value[0]
_RESOURCE_EXHAUSTED: Final = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]


class Denial(NamedTuple):
    """Why a call is rejected."""

    outcome: str
    """For the metrics."""
    code: int
    message: str
    wait_seconds: float = 0.0
    """After how long the same call would be taken, if waiting helps."""

    @property
    def status(self) -> Status:
        """What is sent: where waiting helps, with ``google.rpc.RetryInfo``."""
        if not self.wait_seconds:
            return Status(self.code, self.message)
        # Not with `grpc-retry-pushback-ms`, which the native transport does not send.
        info = error_details_pb2.RetryInfo()
        info.retry_delay.FromMilliseconds(ceil(self.wait_seconds * 1e3))
        detail = AnyMessage()
        detail.Pack(info)
        details = status_pb2.Status(code=self.code, message=self.message, details=[detail])
        return Status(self.code, self.message, (("grpc-status-details-bin", details.SerializeToString()),))


MISSING: Final = Denial(
    "missing", _UNAUTHENTICATED, "this server asks for a token: send the metadata authorization: Bearer TOKEN"
)
MALFORMED: Final = Denial(
    "malformed", _UNAUTHENTICATED, "authorization: expected one value, Bearer TOKEN, got something else"
)
UNKNOWN: Final = Denial(
    "unknown", _UNAUTHENTICATED, "this token is not known here; was it removed, or is it another server's?"
)
UNIMPLEMENTED: Final = Denial("no_method", grpc.StatusCode.UNIMPLEMENTED.value[0], "Method not found!")


def wrong_scope(principal: Principal, path: str, scope: Scope) -> Denial:
    """Make the denial of a token that does not allow the call."""
    has = " and ".join(sorted(principal.scopes)) or "no scope"
    method = path.rpartition("/")[2]
    message = f"{method}: expected a token with the scope {scope}, got {principal.name}, which has {has}"
    return Denial("wrong_scope", _PERMISSION_DENIED, message)


def over_rate(name: str, calls_per_second: float, wait_seconds: float) -> Denial:
    """Make the denial of a call that comes too soon."""
    message = f"token {name} may make {calls_per_second:g} calls per second; try again in {ceil(wait_seconds * 1e3)} ms"
    return Denial("over_rate", _RESOURCE_EXHAUSTED, message, wait_seconds)
