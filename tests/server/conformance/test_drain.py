"""SIGTERM with calls in flight on many connections, and calls and connections that come after it."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from presage.v1 import scoring_service_pb2 as pb
from presage.v1 import scoring_service_pb2_grpc
from support.http2_frames import RawConnection, call, raw_connection
from support.plain_service import ECHO, HANG
from support.running_server import GENEROUS_SECONDS, PATIENT, server_process, track
from support.transport_differences import expected

CONNECTIONS, CALLS = 8, 30
TRACK_EVENT = "/presage.v1.ScoringService/TrackEvent"


async def outcome_of_connecting(address: str) -> str:
    try:
        async with raw_connection(address) as raw:
            await raw.ping()
            return "closed" if raw.closed.is_set() else "taken"
    except ConnectionRefusedError:
        return "refused"


async def code_of_a_new_client_s_call(address: str, path: str, request: bytes = b"") -> grpc.StatusCode:
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        return await channel.unary_unary(path)(request).code()


async def test_calls_under_way_end_well_and_later_ones_are_told_to_go_elsewhere(plain, each_transport):
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(raw_connection(plain.address)) for _ in range(CONNECTIONS)]
        for raw in opened:
            raw.send(b"".join(call(2 * number + 1, HANG) for number in range(CALLS)))
        await plain.until(in_flight=CONNECTIONS * CALLS)
        drain = asyncio.create_task(plain.transport.stop(20 * GENEROUS_SECONDS))
        await asyncio.sleep(0.05)
        assert await outcome_of_connecting(plain.address) == expected("a connection in a drain", each_transport)
        assert await code_of_a_new_client_s_call(plain.address, ECHO) is grpc.StatusCode.UNAVAILABLE
        assert not drain.done()
        plain.go.set()
        assert await statuses(opened) == {"grpc 0"}
        async with asyncio.timeout(GENEROUS_SECONDS):
            await drain
        assert await outcome_of_connecting(plain.address) == "refused"
    assert (plain.cancelled, plain.seen) == (0, [])


async def statuses(opened: list[RawConnection]) -> set[str]:
    return {(await raw.answered(2 * number + 1)).status for raw in opened for number in range(CALLS)}


async def test_a_process_answers_what_it_has_begun_and_what_comes_behind_it(each_transport, store, models, tmp_path):
    patience = ("--timeout-ms", "60000", "--drain-seconds", "60", *PATIENT)
    flags = ("--models", str(models), "--redis-url", store.url, *patience)
    with server_process(tmp_path / "log", *flags) as server:
        async with AsyncExitStack() as stack:
            watcher = await stack.enter_async_context(grpc.aio.insecure_channel(server.address))
            watch = health_pb2_grpc.HealthStub(watcher).Watch(health_pb2.HealthCheckRequest())
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
            opened = [await stack.enter_async_context(raw_connection(server.address)) for _ in range(CONNECTIONS)]
            with store.frozen():
                for place, raw in enumerate(opened):
                    requests = [track(f"u{place}", f"{number}").SerializeToString() for number in range(CALLS)]
                    raw.send(b"".join(call(2 * number + 1, TRACK_EVENT, one) for number, one in enumerate(requests)))
                    # Calls are begun in their order: once a later one is refused, all of them have been.
                    raw.send(call(2 * CALLS + 1, TRACK_EVENT, track("").SerializeToString()))
                    assert (await raw.answered(2 * CALLS + 1)).status == "grpc 3"
                server.signal(signal.SIGTERM)
                assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
                watch.cancel()
                late = await stack.enter_async_context(grpc.aio.insecure_channel(server.address))
                score = scoring_service_pb2_grpc.ScoringServiceStub(late).Score(pb.ScoreRequest(user_id="late"))
                await health_pb2_grpc.HealthStub(late).Check(
                    health_pb2.HealthCheckRequest()
                )  # behind it: it has arrived
                assert server.still_running()
            assert (await score.code()) is grpc.StatusCode.OK
            assert await statuses(opened) == {"grpc 0"}
        assert await asyncio.to_thread(server.wait) == (0, "")
        assert "Traceback" not in server.log
    assert sum(len(store.stream(f"u{place}")) for place in range(CONNECTIONS)) >= CONNECTIONS * CALLS
