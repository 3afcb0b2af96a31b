"""Traced calls, from a client's metadata to a collector."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from itertools import pairwise

import pytest

from presage.v1 import scoring_service_pb2 as pb
from presage_server.errors import SettingsError
from presage_server.tracing import exporting
from support.collectors import attributes, collector
from support.metrics import metric
from support.running_server import GENEROUS_SECONDS, an_event, serving, track

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = (("traceparent", f"00-{TRACE}-{SPAN}-01"), ("tracestate", "vendor=1"), ("x-request-id", "order-17"))
UNSAMPLED = (("traceparent", f"00-{TRACE}-{SPAN}-00"),)


async def test_a_sampled_call_becomes_a_span_with_its_stages(each_transport, store, models):
    with collector() as collected:
        async with serving(redis_url=store.url, models=models, trace_endpoint=collected.url) as served:
            for metadata in (UNSAMPLED, (), SAMPLED):
                await served.stub.Score(pb.ScoreRequest(user_id="visitor-1"), metadata=metadata)
            await served.stub.TrackEvent(track("visitor-1", "a"), metadata=SAMPLED)
            events = [an_event("visitor-1", str(number)) for number in range(100)]
            await served.stub.TrackEvents(pb.TrackEventsRequest(events=events), metadata=SAMPLED)
        spans = collected.until(lambda spans: sum(not span.name.islower() for span in spans) == 3)
    calls = {span.name.rpartition("/")[2]: span for span in spans if "/" in span.name}
    assert set(calls) == {"Score", "TrackEvent", "TrackEvents"}, "and none that was not sampled"
    for name, span in calls.items():
        assert (span.trace_id.hex(), span.parent_span_id.hex(), span.trace_state) == (TRACE, SPAN, "vendor=1")
        assert span.kind == 2, "SERVER"
        known = attributes(span)
        assert (known["rpc.service"], known["rpc.grpc.status_code"]) == ("presage.v1.ScoringService", 0)
        assert known["presage.request_id"] == "order-17"
        stages = [child for child in spans if child.parent_span_id == span.span_id]
        assert {child.trace_id for child in stages} == {span.trace_id}
        starts = sorted((child.start_time_unix_nano, child.end_time_unix_nano) for child in stages)
        assert span.start_time_unix_nano <= starts[0][0]
        assert name == "TrackEvents" or all(before[1] <= after[0] for before, after in pairwise(starts)), (
            "one after the other"
        )
        assert starts[-1][1] <= span.end_time_unix_nano
    names = {child.name for child in spans if child.parent_span_id == calls["Score"].span_id}
    assert {"queue", "decode", "store", "featurize", "model"} <= names
    (resource,) = {tuple(sorted(resource.items())) for resource in collected.resources}
    assert dict(resource)["service.name"] == "presage"
    assert "visitor-1" not in str(spans) + str(resource), "no visitor's id leaves in a trace"


async def test_a_share_of_the_calls_without_a_trace_is_traced_whatever_they_end_with(store, models):
    with collector() as collected:
        async with serving(redis_url=store.url, models=models, trace_endpoint=collected.url, trace_share=1.0) as served:
            await served.stub.Score(pb.ScoreRequest(user_id="u"))
            with pytest.raises(Exception, match="NOT_FOUND"):
                await served.stub.Score(pb.ScoreRequest(user_id="u", model="none"))
        spans = collected.until(lambda spans: sum("/" in span.name for span in spans) == 2)
    codes = {attributes(span)["rpc.grpc.status_code"]: span for span in spans if "/" in span.name}
    assert set(codes) == {0, 5}
    assert {span.parent_span_id for span in codes.values()} == {b""}
    assert codes[5].status.code == 0, "the caller's mistake is no error of the server's"


@pytest.mark.slow
async def test_a_collector_that_is_not_there_costs_traces_and_nothing_else(store, models, unused_tcp_port_factory):
    port, metrics_port = unused_tcp_port_factory(), unused_tcp_port_factory()
    settings = {"redis_url": store.url, "models": models, "metrics_port": metrics_port}
    async with serving(**settings, trace_endpoint=f"http://127.0.0.1:{port}", trace_share=1.0) as served:
        for _ in range(50):
            await served.stub.Score(pb.ScoreRequest(user_id="u"))
        assert await metric(metrics_port, 'presage_traced_calls_total{outcome="queued"}') == 50
        with collector(port) as collected:
            async with asyncio.timeout(GENEROUS_SECONDS):
                while not collected.spans:
                    await served.stub.Score(pb.ScoreRequest(user_id="u"))
                    await asyncio.sleep(0.1)


async def test_what_tracing_needs_is_named_if_it_is_not_installed(store, models, monkeypatch):
    monkeypatch.setattr(exporting, "_LIBRARIES", ("opentelemetry-sdk", "no-such-exporter"))
    needed = r"^trace_endpoint: tracing needs no-such-exporter: pip install 'presage-scoring\[tracing\]'$"
    with pytest.raises(SettingsError, match=needed):
        async with serving(redis_url=store.url, models=models, trace_endpoint="http://localhost:4317"):
            pass


def test_a_collector_that_is_away_is_complained_of_once_a_minute():
    program = """
import logging
from presage_server.logs import start_logging
from presage_server.tracing.span_process import log_rarely
start_logging("info")
log_rarely()
for number in range(100):
    logging.getLogger("opentelemetry.exporter").warning("not sent: %d", number)
    logging.getLogger("presage_server").warning("ours")
logging.getLogger("opentelemetry.exporter").warning("another")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = [line.rpartition(": ")[2] for line in done.stderr.splitlines()]
    assert (lines.count("0"), lines.count("ours"), lines.count("another"), len(lines)) == (1, 100, 1, 102)
