"""How calls fail: what both clients raise where gRPC, or they themselves, give up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import uniform
from typing import Final

import grpc
from grpc import StatusCode

from presage_client._retry_info import retry_after_ms
from presage_client.errors import DeadlineExceededError, PresageError, RequestCancelledError, error_from_status
from presage_client.types import TrackOutcome

__all__ = ["closed", "from_rpc", "keep_outcomes", "not_ready", "wait_before_repeat"]

_LATER: Final = 1.1


def from_rpc(error: grpc.RpcError, method: str, target: str, timeout_ms: float, request_id: str) -> PresageError:
    """Make the error that fits gRPC's own."""
    origin = f"{method} at {target}, timeout {timeout_ms:g} ms, request id {request_id}"
    made = error_from_status(error.code(), error.details() or "", origin)
    made.request_id = request_id
    made.retry_after_ms = retry_after_ms(error.trailing_metadata())
    return made


def wait_before_repeat(error: PresageError, left_seconds: float) -> float | None:
    """Return the seconds after which the server accepts the call again; None: do not repeat it.

    gRPC knows another way to say so, which not all servers can use.

    Args:
        error: How it failed.
        left_seconds: The time until its deadline.
    """
    if error.code is not StatusCode.RESOURCE_EXHAUSTED or error.retry_after_ms is None:
        return None
    # Callers with the same delay should not all come back at the same moment.
    wait = error.retry_after_ms / 1_000 * uniform(1.0, _LATER)  # noqa: S311 - no secret
    return wait if wait < left_seconds else None


def closed(target: str) -> RequestCancelledError:
    """Make the error of a call on a closed client."""
    return RequestCancelledError("the client is closed; make a new one", StatusCode.CANCELLED, f"client of {target}")


def not_ready(target: str, timeout_s: float) -> DeadlineExceededError:
    """Make the error of a server that did not come up."""
    message = f"no connection within {timeout_s:g} s; is a server there, and do both sides use TLS, or neither?"
    return DeadlineExceededError(message, StatusCode.DEADLINE_EXCEEDED, f"client of {target}")


@contextmanager
def keep_outcomes(outcomes: Sequence[TrackOutcome]) -> Iterator[None]:
    """Add to the error that ends a series of calls what the calls before it did."""
    try:
        yield
    except PresageError as error:
        error.outcomes = tuple(outcomes)
        raise
