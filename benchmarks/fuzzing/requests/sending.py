"""Requests sent many at a time over several connections."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import grpc

from benchmarks.fuzzing.findings import Findings
from benchmarks.fuzzing.requests.drawing import Drawn
from benchmarks.fuzzing.requests.judging import Answer, applied_events, faults_of
from benchmarks.fuzzing.requests.methods import Method

__all__ = ["CALL_SECONDS", "Tally", "ask", "send_all"]

CALL_SECONDS = 60.0
"""How long any call may take on a busy machine: one that takes longer hangs."""
_CONNECTIONS, _AT_ONCE = 4, 12
_OPTIONS = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))


@dataclass
class Tally:
    """What came of requests."""

    statuses: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By names of method and status."""
    applied: Counter[str] = field(default_factory=Counter)
    """Events that were applied, by visitor."""
    rejected: list[Drawn] = field(default_factory=list)
    """Requests that were rejected whole, each for a reason that does not pass."""

    @property
    def requests(self) -> int:
        """How many requests were answered."""
        return self.statuses.total()


async def ask(channel: grpc.aio.Channel, method: Method, request: bytes, *, seconds: float = CALL_SECONDS) -> Answer:
    """Send a request as it is, and wait for the answer."""
    try:
        if method.path.startswith("/grpc.reflection"):
            stream = channel.stream_stream(method.path)(iter([request]), timeout=seconds)
            return Answer(grpc.StatusCode.OK, "", [response async for response in stream])
        return Answer(grpc.StatusCode.OK, "", [await channel.unary_unary(method.path)(request, timeout=seconds)])
    except grpc.aio.AioRpcError as error:
        return Answer(error.code(), error.details() or "", [])


async def send_all(
    address: str,
    requests: Iterable[Drawn],
    findings: Findings,
    tally: Tally,
    *,
    max_message_bytes: int,
    keep_rejected: Callable[[Drawn, grpc.StatusCode], bool] = lambda _drawn, _code: False,
) -> None:
    """Send requests and judge the answers.

    Args:
        address: HOST:PORT.
        requests: Taken one by one, as there is room for them.
        findings: Gets what is wrong.
        tally: Gets what was answered.
        max_message_bytes: Of the server.
        keep_rejected: Which of the rejected requests ``tally`` keeps.
    """
    todo = iter(requests)
    channels = [
        grpc.aio.insecure_channel(address, options=(*_OPTIONS, ("grpc.use_local_subchannel_pool", 1)))
        for _ in range(_CONNECTIONS)
    ]
    try:
        async with asyncio.TaskGroup() as group:
            for channel in channels * _AT_ONCE:
                group.create_task(_work(channel, todo, findings, tally, max_message_bytes, keep_rejected))
    finally:
        for channel in channels:
            await channel.close()


async def _work(  # noqa: PLR0917 - of send_all alone
    channel: grpc.aio.Channel,
    todo: Iterator[Drawn],
    findings: Findings,
    tally: Tally,
    max_message_bytes: int,
    keep_rejected: Callable[[Drawn, grpc.StatusCode], bool],
) -> None:
    for drawn in todo:
        answer = await ask(channel, drawn.method, drawn.request)
        tally.statuses[drawn.method.name, answer.code.name] += 1
        for kind, what in faults_of(drawn, answer, max_message_bytes=max_message_bytes):
            findings.add(kind, f"request {drawn.number} of {len(drawn.request)} bytes: {what}", drawn.request)
        if drawn.method.changes and answer.responses:
            tally.applied.update(applied_events(drawn, answer).users)
        if answer.code is not grpc.StatusCode.OK and keep_rejected(drawn, answer.code):
            tally.rejected.append(drawn)
