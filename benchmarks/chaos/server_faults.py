"""Faults of the server and of its clients."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import grpc

from benchmarks.chaos.world import Fault, Rates, StoreKind, World
from presage.v1 import scoring_service_pb2, scoring_service_pb2_grpc

__all__ = ["SERVER_FAULTS"]

_CUT_BYTES = 10_000
_GONE_CLIENTS, _CALLS_OF_EACH = 20, 50
_IN_FLIGHT = 1_000


@asynccontextmanager
async def _killed(world: World) -> AsyncIterator[None]:
    world.server.signal(signal.SIGKILL)
    await world.server.wait()
    yield
    await world.server.start()


@asynccontextmanager
async def _stopped(world: World) -> AsyncIterator[None]:
    world.server.signal(signal.SIGTERM)
    if code := await world.server.wait():
        raise RuntimeError(f"expected exit code 0 after SIGTERM, got {code}; its log:\n{world.server.log[-2_000:]}")
    yield
    await world.server.start()


@asynccontextmanager
async def _stopped_with_calls(world: World) -> AsyncIterator[None]:
    """SIGTERM comes while the store answers nothing, so that all of the calls are in flight."""
    traffic = world.traffic
    traffic.is_paused = True
    await asyncio.sleep(1.0)
    world.store.signal(signal.SIGSTOP)
    await traffic.burst(_IN_FLIGHT)
    await asyncio.sleep(0.5)
    world.server.signal(signal.SIGTERM)
    await asyncio.sleep(0.5)
    world.store.signal(signal.SIGCONT)
    await world.server.wait()
    await world.server.start()
    traffic.is_paused = False
    yield


@asynccontextmanager
async def _paused(world: World) -> AsyncIterator[None]:
    world.server.signal(signal.SIGSTOP)
    yield
    world.server.signal(signal.SIGCONT)


@asynccontextmanager
async def _worker_gets(world: World, number: int) -> AsyncIterator[None]:
    os.kill(world.random.choice(world.server.workers()), number)
    yield


@asynccontextmanager
async def _clock_set(world: World, hours: float) -> AsyncIterator[None]:
    world.server.faults.set(clock_seconds=hours * 3_600)
    yield
    world.server.faults.set()


@asynccontextmanager
async def _file_cut(world: World) -> AsyncIterator[None]:
    """The append-only file lacks its end, as after a power failure."""
    world.server.signal(signal.SIGTERM)
    await world.server.wait()
    files = [path for path in _data(world).glob("appendonlydir/*.incr.aof") if path.stat().st_size]
    newest = max(files, key=lambda path: path.stat().st_mtime)
    os.truncate(newest, newest.stat().st_size - _CUT_BYTES)
    yield
    await world.server.start()


@asynccontextmanager
async def _clients_gone(world: World) -> AsyncIterator[None]:
    """Clients begin calls, and are gone before they are answered."""
    for number in range(_GONE_CLIENTS):
        async with grpc.aio.insecure_channel(
            world.server.address, options=(("grpc.use_local_subchannel_pool", 1),)
        ) as channel:
            stub = scoring_service_pb2_grpc.ScoringServiceStub(channel)
            await channel.channel_ready()
            calls = []
            for each in range(_CALLS_OF_EACH):
                request = scoring_service_pb2.ScoreRequest(user_id=f"gone-{number}-{each}")
                calls.append(stub.Score(request, timeout=1.0))
            await asyncio.sleep(0.001)
            for call in calls:
                call.cancel()
    yield


def _data(world: World) -> Path:
    return world.server.folder.parent / "data"


_MANY = Rates(events_per_second=10_000, scores_per_second=100, batch=50, users=20_000)

SERVER_FAULTS = (
    Fault(
        name="server killed during 10,000 events/s, started again",
        act=_killed,
        seconds=0.0,
        store=StoreKind.DIRECT,
        rates=_MANY,
    ),
    Fault(
        name="server and embedded store killed during 10,000 events/s, started again",
        act=_killed,
        seconds=0.0,
        store=StoreKind.EMBEDDED,
        rates=_MANY,
    ),
    Fault(name="server killed, started again", act=_killed, seconds=0.0),
    Fault(name="server and embedded store killed, started again", act=_killed, seconds=0.0, store=StoreKind.EMBEDDED),
    Fault(name="server ended by SIGTERM, started again", act=_stopped, seconds=0.0),
    Fault(
        name="SIGTERM with 1,000 calls in flight",
        act=_stopped_with_calls,
        seconds=0.0,
        # So long that no score gives the store up, however busy the machine is.
        flags=("--timeout-ms", "300000", "--store-timeout-ms", "60000"),
        rates=Rates(events_per_second=50, scores_per_second=0, timeout_seconds=200),
        all_ok=True,
    ),
    Fault(name="server paused for 2 s", act=_paused),
    Fault(name="one of two workers killed", act=partial(_worker_gets, number=signal.SIGKILL), seconds=0.0, workers=2),
    Fault(name="one of two workers hangs", act=partial(_worker_gets, number=signal.SIGSTOP), seconds=0.0, workers=2),
    Fault(name="server's clock set a day ahead, and back", act=partial(_clock_set, hours=24)),
    Fault(name="server's clock set an hour back, and ahead", act=partial(_clock_set, hours=-1)),
    Fault(
        name="the append-only file's last 10 kB missing at a start",
        act=_file_cut,
        seconds=0.0,
        store=StoreKind.EMBEDDED,
        may_lose="what the disk does not have is lost; the log says how many bytes",
    ),
    Fault(name="1,000 calls whose clients are gone", act=_clients_gone, seconds=0.0),
)
