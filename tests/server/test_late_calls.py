"""How calls are counted that end while the store hangs: by the caller's deadline, not as if the caller had lost interest."""

from __future__ import annotations

import asyncio
import re

import grpc
import pytest

from presage.v1 import scoring_service_pb2 as pb
from support.metrics import metrics_text
from support.running_server import GENEROUS_SECONDS, serving, track

CALLS = 40


async def handled(port: int) -> dict[str, int]:
    """Return how many calls of TrackEvent and GetFeatures have ended with each status."""
    series = r'^grpc_server_handled_total{grpc_code="(\w+)",grpc_method="(?:TrackEvent|GetFeatures)"} (\S+)$'
    counts: dict[str, int] = {}
    for code, count in re.findall(series, await metrics_text(port), flags=re.MULTILINE):
        counts[code] = counts.get(code, 0) + int(float(count))
    return counts


@pytest.mark.usefixtures("each_transport")
async def test_a_deadline_that_passes_while_the_store_hangs_is_no_cancellation(store, models, unused_tcp_port):
    async with serving(
        redis_url=store.url, models=models, metrics_port=unused_tcp_port, store_timeout_ms=60_000
    ) as served:
        await served.stub.TrackEvent(track("u", "first"))
        with store.frozen():
            calls = [
                method(request, timeout=1.001 + number * 0.0002)
                for number in range(CALLS // 2)
                for method, request in (
                    (served.stub.TrackEvent, track(f"u{number}")),
                    (served.stub.GetFeatures, pb.GetFeaturesRequest(user_id=f"u{number}")),
                )
            ]
            assert {await call.code() for call in calls} == {grpc.StatusCode.DEADLINE_EXCEEDED}
            async with asyncio.timeout(GENEROUS_SECONDS):
                while sum((await handled(unused_tcp_port)).values()) < 1 + CALLS:  # noqa: ASYNC110 - of another thread
                    await asyncio.sleep(0.01)
        assert await handled(unused_tcp_port) == {"OK": 1, "DEADLINE_EXCEEDED": CALLS}


@pytest.mark.usefixtures("each_transport")
async def test_callers_who_give_up_while_the_store_hangs_found_it_unavailable(store, models, unused_tcp_port):
    """They have no deadline that the server knows of, but the store has been silent for long by then."""
    async with serving(
        redis_url=store.url, models=models, metrics_port=unused_tcp_port, store_timeout_ms=2_000
    ) as served:
        await served.stub.TrackEvent(track("u", "first"))
        with store.frozen():
            calls = [served.stub.TrackEvent(track(f"u{number}")) for number in range(CALLS)]
            await asyncio.sleep(1.5)
            for call in calls:
                call.cancel()
            async with asyncio.timeout(GENEROUS_SECONDS):
                while sum((await handled(unused_tcp_port)).values()) < 1 + CALLS:  # noqa: ASYNC110 - of another thread
                    await asyncio.sleep(0.01)
        assert await handled(unused_tcp_port) == {"OK": 1, "UNAVAILABLE": CALLS}
