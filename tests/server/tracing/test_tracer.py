"""Which calls are traced, and what is kept of them."""

from __future__ import annotations

from random import Random

import pytest

from presage_server.call import Call
from presage_server.telemetry.stages import Stages
from presage_server.tracing.tracer import Tracer

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"


class ACall(Call):
    def send_reply(self, payload: bytes) -> None: ...
    def send_failure(self, status) -> None: ...


def call_with(*metadata: tuple[str, str]) -> ACall:
    return ACall("/presage.v1.ScoringService/Score", b"request", 1.0, 2.0, metadata, "ipv4:127.0.0.1:5")


def ended_calls(tracer: Tracer, *calls: Call) -> list:
    for call in calls:
        tracer.intercept(call)
        call.reply(b"")
    return tracer.take()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_caller_with_a_trace_decides(share):
    tracer = Tracer(share, Random(1))
    taken = ended_calls(tracer, call_with(("traceparent", SAMPLED)), call_with(("traceparent", UNSAMPLED)))
    assert [(ended.trace_id, ended.parent_id) for ended in taken] == [(TRACE, SPAN)]


@pytest.mark.parametrize(
    "metadata", [(), (("traceparent", "nonsense"),), (("traceparent", f"00-{TRACE}-{'0' * 16}-01"),)]
)
def test_of_the_others_a_share_is_traced(metadata):
    tracer = Tracer(0.25, Random(1))
    taken = ended_calls(tracer, *(call_with(*metadata) for _ in range(1_000)))
    assert 200 < len(taken) < 300
    assert {ended.parent_id for ended in taken} == {""}
    assert len({ended.trace_id for ended in taken}) == len(taken)
    assert ended_calls(Tracer(0.0, Random(1)), call_with(*metadata)) == []


def test_the_call_is_described_once_and_counted_as_ever():
    tracer, counted = Tracer(1.0, Random(1)), []
    call = call_with(("x-request-id", "order-17"), ("traceparent", SAMPLED), ("tracestate", "a=1"))
    call.on_end = counted.append
    tracer.intercept(call)
    stages = Stages(1.1)
    stages.marks += [("decode", 1.2), ("store", 1e12)]
    call.trace.note_batch(stages)
    call.reply(b"")
    (ended,) = tracer.take()
    assert counted == [call]
    assert ended[:2] + ended[3:9] == (
        *("/presage.v1.ScoringService/Score", 1.0, 0, TRACE, SPAN, "a=1", "ipv4:127.0.0.1:5", "order-17"),
    )
    assert ended.batches == [(1.1, [("decode", 1.2), ("store", ended.ended)])], (
        "what came after the reply is not the call's"
    )
    assert tracer.take() == []


def test_a_queue_that_nobody_empties_is_bounded():
    tracer = Tracer(1.0, Random(1), most=10)
    assert len(ended_calls(tracer, *(call_with() for _ in range(25)))) == 10
    assert (tracer.counts["queued",].value, tracer.counts["dropped",].value) == (10, 15)
    assert len(ended_calls(tracer, call_with())) == 1, "it goes on once there is room"
