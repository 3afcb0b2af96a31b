"""Faults of the store, and of the way to it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial

import redis

from benchmarks.chaos.world import Fault, StoreKind, World

__all__ = ["STORE_FAULTS"]

_EVERYSEC = "everysec holds writes back while an fsync is slow, for up to two seconds"
_DISK_FULL = "what it had answered in the moment in which the disk filled was not written"
_ASYNCHRONOUS = "replication is asynchronous: the replica lacks what the primary had not sent"
_SLOW_FSYNC_SECONDS = 1.5


@asynccontextmanager
async def _killed(world: World) -> AsyncIterator[None]:
    await world.store.kill()
    yield
    await world.store.start()


@asynccontextmanager
async def _restarted(world: World) -> AsyncIterator[None]:
    await world.store.stop()
    yield
    await world.store.start()


@asynccontextmanager
async def _embedded_killed(world: World, times: int = 3) -> AsyncIterator[None]:
    for _ in range(times):
        with world.open_store() as store:
            pid = int(store.info("server")["process_id"])
        os.kill(pid, signal.SIGKILL)
        await _until_another_answers(world, pid)
    yield


@asynccontextmanager
async def _embedded_killed_while_syncing(world: World) -> AsyncIterator[None]:
    world.server.faults.set(fsync_seconds=_SLOW_FSYNC_SECONDS)
    await asyncio.sleep(3.0)
    async with _embedded_killed(world, times=1):
        world.server.faults.set()
        yield


async def _until_another_answers(world: World, pid: int) -> None:
    async with asyncio.timeout(30):
        while True:
            with suppress(redis.ConnectionError, redis.BusyLoadingError), world.open_store() as store:
                if store.info("server")["process_id"] != pid:
                    return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def _paused(world: World) -> AsyncIterator[None]:
    world.store.signal(signal.SIGSTOP)
    yield
    world.store.signal(signal.SIGCONT)


@asynccontextmanager
async def _slow(world: World, milliseconds: float) -> AsyncIterator[None]:
    world.road.round_trip_seconds = milliseconds / 1e3
    yield
    world.road.round_trip_seconds = 0.0


@asynccontextmanager
async def _cut(world: World) -> AsyncIterator[None]:
    world.road.cut_share = 0.02
    yield
    world.road.cut_share = 0.0
    if not world.road.cuts:
        raise RuntimeError("expected replies to be cut in the middle, but none was: the traffic is too small")


@asynccontextmanager
async def _refused(world: World) -> AsyncIterator[None]:
    await world.road.refuse()
    yield
    await world.road.listen()


@asynccontextmanager
async def _full(world: World) -> AsyncIterator[None]:
    world.store.redis.config_set("maxmemory", "1mb")
    yield
    world.store.redis.config_set("maxmemory", "0")


@asynccontextmanager
async def _read_only(world: World) -> AsyncIterator[None]:
    world.store.redis.replicaof("127.0.0.1", "1")
    yield
    world.store.redis.replicaof("NO", "ONE")


@asynccontextmanager
async def _disk_full(world: World) -> AsyncIterator[None]:
    world.store.set_disk_full(full=True)
    yield
    world.store.set_disk_full(full=False)


@asynccontextmanager
async def _killed_with_full_disk(world: World) -> AsyncIterator[None]:
    world.store.set_disk_full(full=True)
    await asyncio.sleep(1.0)
    async with _killed(world):
        yield


@asynccontextmanager
async def _slow_disk(world: World) -> AsyncIterator[None]:
    world.store.faults.set(fsync_seconds=_SLOW_FSYNC_SECONDS)
    yield
    world.store.faults.set()


@asynccontextmanager
async def _clock_set(world: World, hours: float) -> AsyncIterator[None]:
    world.store.faults.set(clock_seconds=hours * 3_600)
    yield
    world.store.faults.set()


@asynccontextmanager
async def _moved(world: World) -> AsyncIterator[None]:
    """Fail over as an operator does: the primary waits until its replica has everything. Connections to it stay open."""
    old, new = world.stores
    old.redis.execute_command("FAILOVER", "TO", "127.0.0.1", new.port, "TIMEOUT", "10000")
    async with asyncio.timeout(20):
        while new.redis.role()[0] != b"master":  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)
    world.road.target = new.socket
    yield


@asynccontextmanager
async def _primary_lost(world: World) -> AsyncIterator[None]:
    """The primary dies when its replica, which is promoted, has not heard of it for a moment."""
    old, new = world.stores
    new.redis.replicaof("127.0.0.1", "1")
    await asyncio.sleep(0.3)
    await old.kill()
    new.follow(None)
    world.road.target = new.socket
    yield


def _again_and_again(
    step: Callable[[World], object], seconds: float
) -> Callable[[World], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def act(world: World) -> AsyncIterator[None]:
        async def repeat() -> None:
            while True:
                step(world)
                await asyncio.sleep(seconds)

        repeating = asyncio.create_task(repeat())
        try:
            yield
        finally:
            repeating.cancel()

    return act


def _flush_scripts(world: World) -> None:
    world.store.redis.script_flush()


def _drop_connections(world: World) -> None:
    world.store.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


STORE_FAULTS = (
    Fault(name="store killed, started 1 s later", act=_killed, seconds=1.0),
    Fault(name="store shut down, started 1 s later", act=_restarted, seconds=1.0),
    Fault(name="embedded store killed three times", act=_embedded_killed, seconds=0.0, store=StoreKind.EMBEDDED),
    Fault(
        name="embedded store killed while an fsync takes 1.5 s",
        act=_embedded_killed_while_syncing,
        seconds=1.0,
        store=StoreKind.EMBEDDED,
        may_lose=_EVERYSEC,
    ),
    Fault(
        name="the same, `--store-fsync always`",
        act=_embedded_killed_while_syncing,
        seconds=1.0,
        store=StoreKind.EMBEDDED,
        flags=("--store-fsync", "always"),
    ),
    Fault(name="every fsync takes 1.5 s", act=_slow_disk, seconds=5.0),
    Fault(name="store paused for 0.3 s", act=_paused, seconds=0.3),
    Fault(name="store paused for 5 s", act=_paused, seconds=5.0),
    Fault(name="store 5 ms away", act=partial(_slow, milliseconds=5)),
    Fault(name="store 50 ms away", act=partial(_slow, milliseconds=50)),
    Fault(name="store 500 ms away", act=partial(_slow, milliseconds=500)),
    Fault(name="2 % of replies cut in the middle", act=_cut, seconds=3.0),
    Fault(name="connections refused", act=_refused),
    Fault(name="connections dropped every 50 ms", act=_again_and_again(_drop_connections, 0.05)),
    Fault(name="scripts flushed every 10 ms", act=_again_and_again(_flush_scripts, 0.01)),
    Fault(name="store out of memory", act=_full),
    Fault(name="store read-only", act=_read_only),
    Fault(name="disk full", act=_disk_full),
    Fault(name="store killed while its disk is full", act=_killed_with_full_disk, seconds=0.5, may_lose=_DISK_FULL),
    Fault(name="fail-over, old connections stay open", act=_moved, store=StoreKind.REPLICATED),
    Fault(
        name="primary killed, a replica that is 0.3 s behind promoted",
        act=_primary_lost,
        seconds=1.0,
        store=StoreKind.REPLICATED,
        may_lose=_ASYNCHRONOUS,
    ),
    Fault(name="store's clock set a day ahead, and back", act=partial(_clock_set, hours=24)),
)
