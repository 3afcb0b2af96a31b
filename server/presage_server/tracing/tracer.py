"""Which calls are traced, and what is kept of each: a tuple in a bounded queue, which another process makes spans of."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from time import monotonic
from typing import Any, NamedTuple

from presage_server.call import Call, Metadata
from presage_server.rpc.request_ids import request_id_of
from presage_server.telemetry.counting import Counters
from presage_server.telemetry.stages import Stages
from presage_server.tracing.context import TRACEPARENT, TRACESTATE, is_long_enough, is_sampled, read_parent

__all__ = ["Ended", "Tracer"]

_MAX_QUEUED = 2_000
_MAX_BATCHES = 32
"""Slices of a large call whose stages are kept."""


class Ended(NamedTuple):
    """A traced call that has ended. Times are seconds of ``time.monotonic``."""

    method: str
    received: float
    ended: float
    code: int
    trace_id: str
    parent_id: str
    """The caller's span; empty if the trace begins here."""
    state: str
    """The caller's ``tracestate``."""
    peer: str
    request_id: str
    batches: list[tuple[float, list[tuple[str, float]]]]
    """When each batch that the call was in was started, and when its stages ended."""


class _Trace:
    """What is known of a call that is being traced."""

    __slots__ = ("batches", "on_end", "parent_id", "state", "trace_id")

    def __init__(self, trace_id: str, parent_id: str, state: str, on_end: Callable[[Call], None] | None) -> None:
        self.trace_id = trace_id
        self.parent_id = parent_id
        self.state = state
        self.on_end = on_end
        self.batches: list[Stages] = []

    def note_batch(self, stages: Stages) -> None:
        if len(self.batches) < _MAX_BATCHES:
            self.batches.append(stages)


class _Kept(NamedTuple):
    """A traced call that has ended, without its request, waiting to be exported."""

    method: str
    received: float
    ended: float
    code: int
    trace: _Trace
    peer: str
    metadata: Metadata


class Tracer:
    """Chooses the calls that are traced, as an interceptor of the thread that serves; ``take`` is for another thread.

    A call whose caller has a sampled trace is traced, one whose trace is not sampled is not, and of all others a share is.

    Args:
        share: That share.
        random: Draws.
        most: How many ended calls may wait to be taken; further ones are dropped and counted.
    """

    def __init__(self, share: float, random: Random, *, most: int = _MAX_QUEUED) -> None:
        self._share = share
        self._random = random
        self._draw = random.random
        self._most = most
        self._ended: deque[_Kept] = deque()
        self.counts = Counters(
            "presage_traced_calls",
            "Calls that were traced, by whether they were handed on or dropped because too many waited.",
            ("outcome",),
            known=[("queued",), ("dropped",)],
        )
        self._queued, self._dropped = self.counts["queued",], self.counts["dropped",]

    def intercept(self, call: Call) -> None:
        """Note whether a call is traced."""
        for key, value in call.metadata:
            if key == TRACEPARENT:
                if not is_sampled(value):
                    if is_long_enough(value):
                        return
                    break
                parent = read_parent(value)
                if parent is not None:
                    state = next((text for name, text in call.metadata if name == TRACESTATE), "")
                    self._begin(call, parent.trace_id, parent.span_id, state if isinstance(state, str) else "")
                    return
                break
        if self._share and self._draw() < self._share:
            self._begin(call, f"{self._random.getrandbits(128) or 1:032x}", "", "")

    def take(self) -> list[Ended]:
        """Take all calls that have ended since the last time."""
        ended = self._ended
        return [_describe(ended.popleft()) for _ in range(len(ended))]

    def _begin(self, call: Call, trace_id: str, parent_id: str, state: str) -> None:
        call.trace = _Trace(trace_id, parent_id, state, call.on_end)
        call.on_end = self._end

    def _end(self, call: Call) -> None:
        trace: Any = call.trace
        if trace.on_end is not None:
            trace.on_end(call)
        if len(self._ended) < self._most:
            kept = _Kept(call.method, call.received, monotonic(), call.code or 0, trace, call.peer, call.metadata)
            self._ended.append(kept)
            self._queued.inc()
        else:
            self._dropped.inc()


def _describe(kept: _Kept) -> Ended:
    """Return what is exported of a call. Its batch may have continued after its end; that part is left out."""
    trace, ended = kept.trace, kept.ended
    return Ended(
        kept.method,
        kept.received,
        ended,
        kept.code,
        trace.trace_id,
        trace.parent_id,
        trace.state,
        kept.peer,
        request_id_of(kept.metadata),
        [(stages.started, [(name, min(at, ended)) for name, at in list(stages.marks)]) for stages in trace.batches],
    )
