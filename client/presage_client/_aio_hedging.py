"""Sends a slow call a second time, on asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any

import grpc

from presage_client.hedging import HedgingPolicy

__all__ = ["send_twice"]


async def send_twice(
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
            response = await first(request, timeout=seconds, metadata=metadata)
        except grpc.RpcError:
            policy.fail()
            raise
        policy.end(monotonic() - began)
        return response
    attempts = [_begin(first, request, seconds, metadata)]
    try:
        await asyncio.wait(attempts, timeout=delay)
        if not attempts[0].done() and policy.take():
            left = seconds - (monotonic() - began)
            attempts.append(_begin(second, request, max(left, 0.0), metadata))
        under_way = set(attempts)
        while under_way:
            ended, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for attempt in attempts:  # the first one first, should both have been answered
                if attempt in ended and not attempt.cancelled() and attempt.exception() is None:
                    policy.end(monotonic() - began, second_won=attempt is not attempts[0])
                    return attempt.result()
    finally:
        for attempt in attempts:
            attempt.cancel()
    policy.fail()
    return attempts[0].result()  # which raises


def _begin(send: Any, request: Any, seconds: float, metadata: Sequence[tuple[str, str]]) -> asyncio.Task[Any]:
    attempt = asyncio.ensure_future(_attempt(send, request, seconds, metadata))
    # Nobody looks at the error of an attempt that lost, and asyncio would complain.
    attempt.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    return attempt


async def _attempt(send: Any, request: Any, seconds: float, metadata: Sequence[tuple[str, str]]) -> Any:
    return await send(request, timeout=seconds, metadata=metadata)
