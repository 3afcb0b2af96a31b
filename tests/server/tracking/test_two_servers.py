"""Two ``presage serve`` on one store: what one acknowledged, the other one sees."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack

import grpc

from presage.v1 import scoring_service_pb2 as pb
from presage.v1 import scoring_service_pb2_grpc
from presage_featurizer import decode_event
from support.running_server import an_event, server_process

NOW = 1_700_000_000_000_000
VISITORS, ROUNDS = 10, 50


async def test_a_score_after_an_acknowledged_event_sees_it_from_either_server(store, models, tmp_path):
    async with AsyncExitStack() as stack:
        processes = stack.enter_context(ExitStack())
        flags = ("--models", str(models), "--redis-url", store.url)
        servers = [
            processes.enter_context(server_process(tmp_path / f"log-{number}", *flags, wait=False))
            for number in range(2)
        ]
        stubs = []
        for server in servers:
            server.wait_until_ready()
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.address))
            stubs.append(scoring_service_pb2_grpc.ScoringServiceStub(channel))
        wrong = []

        async def visit(user_id: str) -> None:
            """Track by one server and look by the other one, and by the same one, in turns."""
            for number in range(ROUNDS):
                now = NOW + number
                event = an_event(user_id, f"event-{number}", event_time_unix_micros=now)
                await stubs[number % 2].TrackEvent(pb.TrackEventRequest(event=event), timeout=20)
                request = pb.GetFeaturesRequest(user_id=user_id, as_of_unix_micros=now)
                for stub in stubs:
                    features = (await stub.GetFeatures(request, timeout=20)).features
                    page_views = features.values[list(features.names).index("page_views")]
                    if page_views != number + 1:
                        wrong.append((user_id, number, page_views))

        await asyncio.gather(*(visit(f"visitor-{number}") for number in range(VISITORS)))
    assert wrong == []


async def test_events_of_one_visitor_sent_to_both_servers_at_once_count_once_each(store, models, tmp_path):
    count = 100
    flags = ("--models", str(models), "--redis-url", store.url)
    with (
        server_process(tmp_path / "log-a", *flags, wait=False) as first,
        server_process(tmp_path / "log-b", *flags, wait=False) as second,
    ):
        async with AsyncExitStack() as stack:
            calls = []
            for server in (first, second):
                server.wait_until_ready()
                channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.address))
                stub = scoring_service_pb2_grpc.ScoringServiceStub(channel)
                calls += [
                    stub.TrackEvent(pb.TrackEventRequest(event=an_event("u", f"event-{number}")), timeout=20)
                    for number in range(count)
                ]
            answers = await asyncio.gather(*calls)
    assert sorted(answer.duplicate for answer in answers) == [False] * count + [True] * count
    logged = [decode_event(entry[b"event"]).event_id for entry in store.stream("u")]
    assert sorted(logged) == sorted(f"event-{number}" for number in range(count))
