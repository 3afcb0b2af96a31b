"""Thousands of calls in flight at once: each is answered, and with its own answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from presage.v1 import scoring_service_pb2 as pb
from presage_server.transport.interface import MAX_STREAMS
from support.http2_frames import REFUSED_STREAM, RST_STREAM, call, frame, raw_connection
from support.plain_service import ECHO, HANG
from support.running_server import GENEROUS_SECONDS, serving
from support.transport_differences import expected

GET_FEATURES = "/presage.v1.ScoringService/GetFeatures"
CONNECTIONS, STREAMS = 40, 250
ANSWERED, REFUSED = "grpc 0", f"reset {REFUSED_STREAM}"


async def test_a_server_answers_ten_thousand_calls_that_are_in_flight_at_once(each_transport, store, models):
    """The store answers nothing until all of them have arrived."""
    request = pb.GetFeaturesRequest(user_id="u").SerializeToString()
    calls = b"".join(call(2 * number + 1, GET_FEATURES, request) for number in range(STREAMS))
    async with serving(redis_url=store.url, models=models, store_timeout_ms=60_000, timeout_ms=60_000) as served:
        async with AsyncExitStack() as stack:
            opened = [await stack.enter_async_context(raw_connection(served.address)) for _ in range(CONNECTIONS)]
            with store.frozen():
                for raw in opened:
                    raw.send(calls)
                await asyncio.gather(*(raw.ping() for raw in opened))
            async with asyncio.timeout(GENEROUS_SECONDS):
                answers = [await raw.answered(2 * number + 1) for raw in opened for number in range(STREAMS)]
            outcomes = Counter(answer.status for answer in answers)
            assert [raw.closed.is_set() for raw in opened] == [False] * CONNECTIONS
        assert outcomes == {ANSWERED: CONNECTIONS * STREAMS}
        health = health_pb2_grpc.HealthStub(served.channel)
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
        assert not (await served.stub.Score(pb.ScoreRequest(user_id="u"))).prediction.degraded


async def test_a_transport_delivers_ten_thousand_calls_at_once_and_each_gets_its_own_answer(plain):
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(raw_connection(plain.address)) for _ in range(CONNECTIONS)]
        for place, raw in enumerate(opened):
            raw.send(b"".join(call(2 * number + 1, HANG, b"%d %d" % (place, number)) for number in range(STREAMS)))
            await plain.until(in_flight=(place + 1) * STREAMS)
        plain.go.set()
        for place, raw in enumerate(opened):
            for number in range(STREAMS):
                answer = await raw.answered(2 * number + 1)
                assert (answer.status, bytes(answer.body[5:])) == (ANSWERED, b"%d %d" % (place, number))


async def test_calls_of_a_client_that_keeps_to_the_limit_are_never_refused(plain):
    """It begins a call as soon as another one has ended for it, which may be before the server has freed that."""
    own = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    async with grpc.aio.insecure_channel(plain.address, options=own) as channel:
        calls = [channel.unary_unary(HANG)(b"") for _ in range(4 * MAX_STREAMS)]
        codes = asyncio.gather(*(call.code() for call in calls))
        await plain.until(in_flight=MAX_STREAMS)
        plain.go.set()
        assert set(await codes) == {grpc.StatusCode.OK}


async def test_more_calls_on_one_connection_than_it_allows_are_refused(plain):
    """A proper client reads the limit and waits; this one does not."""
    most, streams = MAX_STREAMS, range(1, 1_400, 2)
    async with raw_connection(plain.address) as neighbour, raw_connection(plain.address) as raw:
        await raw.ping()
        for sent in range(0, len(streams), 250):
            raw.send(b"".join(call(stream, HANG) for stream in streams[sent : sent + 250]))
            await plain.until(in_flight=min(sent + 250, most))
        plain.go.set()
        outcomes = Counter([(await raw.answered(stream)).status for stream in streams])
        assert outcomes == Counter([ANSWERED] * most + [REFUSED] * (len(streams) - most))
        raw.send(call(1_401, ECHO))
        neighbour.send(call(1, ECHO))
        assert [(await raw.answered(1_401)).status, (await neighbour.answered(1)).status] == [ANSWERED] * 2


async def test_calls_that_are_given_up_before_the_server_reads_them(plain, each_transport):
    """As after a pause of the server, for which its clients did not wait: their calls and their resets come together."""
    streams = range(1, 61, 2)
    given_up = [call(stream, ECHO) + frame(RST_STREAM, 0, stream, (8).to_bytes(4)) for stream in streams]
    async with raw_connection(plain.address) as raw, raw_connection(plain.address) as neighbour:
        await raw.ping()
        raw.send(b"".join(given_up) + call(61, ECHO))
        answer = raw.answer(61)
        await raw.first(answer.ended, raw.closed)
        outcome = answer.status if answer.ended.is_set() else "closed"
        assert outcome == expected("30 calls with their resets", each_transport)
        neighbour.send(call(1, ECHO))
        assert (await neighbour.answered(1)).status == ANSWERED
