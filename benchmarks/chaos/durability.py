"""What an event costs under each way to sync the store's file, and what WAITAOF waits for: measured in one run, in turn."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import redis

from benchmarks.chaos.processes import ServerProcess, StoreProcess
from benchmarks.rig.calls import write_calls
from benchmarks.rig.load import Outcome, run_load

__all__ = ["Cost", "WaitedFor", "measure_costs", "measure_waitaof"]

_SLOW_DISK_SECONDS = 0.005
_IN_FLIGHT = (1, 16, 64)
_VISITORS = 10_000
_FSYNC_SECONDS = 1.0
_WAITS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What TrackEvent takes under a setting, the median of rounds."""

    setting: str
    in_flight: int
    per_second: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitedFor:
    """How long WAITAOF took after a write, while an fsync takes a second."""

    setting: str
    seconds: float
    """The shortest of a few."""

    @property
    def is_early(self) -> bool:
        """Whether it said that a write is on disk before an fsync can have ended that began after it."""
        return self.seconds < _FSYNC_SECONDS / 2


_SETTINGS: Mapping[str, tuple[str, float]] = {
    "`everysec`": ("everysec", 0.0),
    "`always`": ("always", 0.0),
    "`everysec`, an fsync takes 5 ms": ("everysec", _SLOW_DISK_SECONDS),
    "`always`, an fsync takes 5 ms": ("always", _SLOW_DISK_SECONDS),
}


async def measure_costs(folder: Path, transport: str, *, rounds: int, seconds: float) -> list[Cost]:
    """Load a server on each setting in turn."""
    calls = write_calls("track", folder / "calls", visitors=_VISITORS, now_unix_micros=time.time_ns() // 1_000)
    async with AsyncExitStack() as stack:
        addresses = {}
        for number, (setting, (fsync, fsync_seconds)) in enumerate(_SETTINGS.items()):
            store = StoreProcess(folder / f"s{number}", {"appendfsync": fsync})
            stack.callback(store.end)
            await store.start()
            store.faults.set(fsync_seconds=fsync_seconds)
            flags = ("--transport", transport, "--redis-url", store.url, "--no-follow-items", "--reload-seconds", "0")
            server = ServerProcess(folder / f"p{number}", flags)
            stack.push_async_callback(server.end)
            await server.start()
            addresses[setting] = server.address
        found: dict[tuple[str, int], list[Outcome]] = {}
        for number in range(rounds):
            for in_flight in _IN_FLIGHT:
                for setting in sorted(addresses, reverse=bool(number % 2)):
                    outcome = run_load(addresses[setting], calls, seconds=seconds, in_flight=in_flight)
                    found.setdefault((setting, in_flight), []).append(outcome)
    return [
        Cost(
            setting=setting,
            in_flight=in_flight,
            per_second=median(one.per_second for one in found[setting, in_flight]),
            p50_ms=median(one.ok.p50_us for one in found[setting, in_flight]) / 1e3,
            p99_ms=median(one.ok.p99_us for one in found[setting, in_flight]) / 1e3,
        )
        for setting in _SETTINGS
        for in_flight in _IN_FLIGHT
    ]


async def measure_waitaof(folder: Path) -> list[WaitedFor]:
    """Write to stores whose fsync takes a second, and wait with WAITAOF until it is said to be on disk."""
    found = []
    for setting in ("everysec", "always"):
        store = StoreProcess(folder / setting, {"appendfsync": setting})
        await store.start()
        try:
            store.faults.set(fsync_seconds=_FSYNC_SECONDS)
            found.append(WaitedFor(setting=setting, seconds=min(_wait(store.redis) for _ in range(_WAITS))))
        finally:
            store.end()
    return found


def _wait(store: redis.Redis) -> float:
    began = time.monotonic()
    store.set("key", "value")
    store.waitaof(1, 0, 10_000)
    return time.monotonic() - began
