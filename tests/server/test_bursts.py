"""Many calls at once to a server that can answer them: none is rejected."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest

from presage.v1 import scoring_service_pb2 as pb
from presage.v1 import scoring_service_pb2_grpc
from presage_featurizer import decode_event
from support.running_server import GENEROUS_SECONDS, server_process, track
from support.transports import native_first

pytestmark = [native_first, pytest.mark.usefixtures("each_transport")]  # one overload policy serves both

TIMEOUT_SECONDS = 20.0
"""Far longer than a burst takes, so that only a policy that is too strict rejects a call on a busy machine."""
LONG = ("--timeout-ms", str(round(TIMEOUT_SECONDS * 1e3)))


@asynccontextmanager
async def stubs(address: str, connections: int) -> AsyncIterator[list[Any]]:
    """Open connections, each of its own."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    async with AsyncExitStack() as stack:
        opened = [grpc.aio.insecure_channel(address, options=options) for _ in range(connections)]
        for channel in opened:
            await stack.enter_async_context(channel)
            await channel.channel_ready()
        yield [scoring_service_pb2_grpc.ScoringServiceStub(channel) for channel in opened]


def score(stub: Any, number: int) -> Any:
    return stub.Score(pb.ScoreRequest(user_id=f"u{number}"), timeout=TIMEOUT_SECONDS)


def track_one_visitor(stub: Any, number: int) -> Any:
    return stub.TrackEvent(track("u", f"e{number}"), timeout=TIMEOUT_SECONDS)


@pytest.mark.parametrize("connections", [1, 20])
@pytest.mark.parametrize("call", [score, track_one_visitor])
async def test_bursts_at_an_idle_server_are_answered(models, store, tmp_path, connections, call):
    with server_process(tmp_path / "log", "--models", str(models), "--redis-url", store.url, *LONG) as server:
        async with stubs(server.address, connections) as opened:
            for size in (50, 100, 200, 400, 1_000):
                calls = [call(opened[number % connections], size + number) for number in range(size)]
                assert Counter([(await one.code()).name for one in calls]) == {"OK": size}


async def closed_loop(make: Callable[[int], Awaitable[Any]], *, in_flight: int, calls: int) -> None:
    """Make calls one after another in several places at once; the first failure is raised."""
    numbers = iter(range(calls))

    async def go() -> None:
        for number in numbers:
            await make(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(go())


@pytest.mark.parametrize("in_flight", [64, 400])
async def test_closed_loops_are_answered(models, store, tmp_path, in_flight):
    with server_process(tmp_path / "log", "--models", str(models), "--redis-url", store.url, *LONG) as server:
        async with stubs(server.address, 4) as opened:
            calls = (score, track_one_visitor, score, score)
            await closed_loop(
                lambda number: calls[number % 4](opened[number % 4], number), in_flight=in_flight, calls=10 * in_flight
            )


async def test_sigterm_under_load_loses_no_event_that_was_acknowledged_and_ends_well(models, store, tmp_path):
    flags = ("--models", str(models), "--redis-url", store.url, "--stream-max-events", "0", *LONG)
    with server_process(tmp_path / "log", *flags) as server:
        async with stubs(server.address, 4) as opened:
            acknowledged: list[str] = []
            codes: Counter[str] = Counter()
            ending = asyncio.Event()

            async def go(place: int) -> None:
                number = 0
                while not ending.is_set() or number == 0:
                    call = opened[place % 4].TrackEvent(track("u", f"{place}-{number}"), timeout=TIMEOUT_SECONDS)
                    code = (await call.code()).name
                    codes[code] += 1
                    if code != "OK":
                        return
                    acknowledged.append(f"{place}-{number}")
                    number += 1

            tasks = [asyncio.create_task(go(place)) for place in range(64)]
            async with asyncio.timeout(GENEROUS_SECONDS):
                while len(acknowledged) < 500:  # noqa: ASYNC110 - any of 64 tasks makes it so
                    await asyncio.sleep(0.01)
            server.signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.wait) == (0, "")
            ending.set()
            await asyncio.gather(*tasks)
        assert "Traceback" not in server.log
    # What a server that ends does not take up, clients send again, elsewhere.
    assert codes.keys() <= {"OK", "UNAVAILABLE", "CANCELLED"}
    logged = Counter(decode_event(entry[b"event"]).event_id for entry in store.stream("u"))
    assert set(acknowledged) <= logged.keys()
    assert set(logged.values()) == {1}
