"""OpenTelemetry spans of calls that have ended."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
    set_span_in_context,
)

from presage_server.rpc.status import CODE_NAMES
from presage_server.tracing.tracer import Ended

__all__ = ["GivenTraceIds", "SpanMaker"]

_FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""Which statuses are errors of a server, says OpenTelemetry: https://opentelemetry.io/docs/specs/semconv/rpc/grpc/"""
_NANOS = 1_000_000_000


class GivenTraceIds(RandomIdGenerator):
    """Gives a trace that begins here its chosen id, which log lines contain, too."""

    def __init__(self) -> None:
        self.trace_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id


class SpanMaker:
    """Makes a span of each call, with one for each stage below it.

    Args:
        tracer: What spans are made with; it uses ``ids``.
        ids: Chooses the ids.
    """

    def __init__(self, tracer: Tracer, ids: GivenTraceIds) -> None:
        self._tracer = tracer
        self._ids = ids

    def make(self, call: Ended, ahead_seconds: float) -> None:
        """Make the spans of a call.

        Args:
            call: It has ended.
            ahead_seconds: How far the wall clock is ahead of the one that the call's times are of.
        """
        service, _, method = call.method.strip("/").rpartition("/")
        name = CODE_NAMES.get(call.code, "UNKNOWN")
        attributes: dict[str, str | int] = {
            "rpc.system": "grpc",
            "rpc.service": service,
            "rpc.method": method,
            "rpc.grpc.status_code": call.code,
        }
        if call.request_id:
            attributes["presage.request_id"] = call.request_id
        if call.peer:
            attributes["network.peer.address"] = call.peer
        self._ids.trace_id = int(call.trace_id, 16)

        def nanos(seconds: float) -> int:
            return round((seconds + ahead_seconds) * _NANOS)

        span = self._tracer.start_span(
            f"{service}/{method}",
            _context(call),
            kind=SpanKind.SERVER,
            attributes=attributes,
            start_time=nanos(call.received),
        )
        inside = set_span_in_context(span)
        for stage, begun, ended in _stages(call):
            self._tracer.start_span(stage, inside, start_time=nanos(begun)).end(nanos(ended))
        if name in _FAULTS:
            span.set_status(Status(StatusCode.ERROR, name))
        span.end(nanos(call.ended))


def _context(call: Ended) -> Context:
    """Return the caller's span as the one that encloses the call's."""
    if not call.parent_id:
        return Context()
    parent = SpanContext(
        trace_id=int(call.trace_id, 16),
        span_id=int(call.parent_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
        trace_state=TraceState.from_header([call.state]) if call.state else None,
    )
    return set_span_in_context(NonRecordingSpan(parent), Context())


def _stages(call: Ended) -> list[tuple[str, float, float]]:
    """List the stages that took time before the call's end: name, beginning, end."""
    stages = []
    before = call.received
    for number, (started, marks) in enumerate(call.batches):
        stages.append(("queue" if not number else "wait", before, started))
        before = started
        for name, ended in marks:
            stages.append((name, before, ended))
            before = ended
    return [(name, begun, ended) for name, begun, ended in stages if begun < ended <= call.ended]
