"""Sends a slow call a second time, with threads."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue
from time import monotonic
from typing import Any

import grpc

from presage_client.hedging import HedgingPolicy

__all__ = ["send_twice"]


def send_twice(
    first: Any,
    second: Any,
    request: Any,
    *,
    seconds: float,
    metadata: Sequence[tuple[str, str]],
    policy: HedgingPolicy,
) -> Any:
    """Send a request, and again over the second connection when the policy says so; return the answer that comes first.

    Raises:
        grpc.RpcError: No attempt was answered; the error is that of the first.
    """
    began = monotonic()
    delay = policy.begin()
    if delay is None or delay >= seconds:
        try:
            response = first(request, timeout=seconds, metadata=metadata)
        except grpc.RpcError:
            policy.fail()
            raise
        policy.end(monotonic() - began)
        return response
    answered: SimpleQueue[Any] = SimpleQueue()
    attempts = [first.future(request, timeout=seconds, metadata=metadata)]
    attempts[0].add_done_callback(answered.put)
    try:
        _wait(attempts[0], delay)
        if not attempts[0].done() and policy.take():
            left = seconds - (monotonic() - began)
            attempts.append(second.future(request, timeout=max(left, 0.0), metadata=metadata))
            attempts[1].add_done_callback(answered.put)
        for _ in attempts:
            attempt = answered.get()
            if attempt.code() is grpc.StatusCode.OK:
                policy.end(monotonic() - began, second_won=attempt is not attempts[0])
                return attempt.result()
    finally:
        for attempt in attempts:
            attempt.cancel()  # those that have ended ignore it
    policy.fail()
    raise attempts[0]


def _wait(attempt: Any, seconds: float) -> None:
    """Wait for the end of an attempt, for at most ``seconds``."""
    with suppress(grpc.FutureTimeoutError, grpc.FutureCancelledError):
        attempt.exception(timeout=seconds)
