"""Runs one fault under traffic, and says what came of it."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np

from benchmarks.chaos.answers import Event, Kind, Score, outcomes
from benchmarks.chaos.audit import Audit, audit
from benchmarks.chaos.traffic import Traffic, run_traffic
from benchmarks.chaos.world import Fault, World, run_world

__all__ = ["Outcome", "run_fault"]

_WARM_SECONDS = 1.0
_CALM_SECONDS = 1.0
"""All is as before once nothing but good answers came for so long."""
_PATIENCE_SECONDS = 30.0
_COUNTED_SECONDS = 30.0
_POLL_SECONDS = 0.05
_LOST_SERIES = "presage_store_lost_events_total"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of a fault. Calls are those that were sent from when it began until all was as before."""

    fault: str
    transport: str
    calls: int
    """Events and scores."""
    ok: int
    degraded: int
    rejected: int
    failed: int
    p99_ms: float | None
    """Of those that were answered, by whatever; None if none was."""
    normal_seconds: float
    """From its repair until the last call was sent that was not answered as it should."""
    is_normal: bool
    """Whether it came to that."""
    sent_again: int
    audit: Audit
    answers: dict[str, int]
    """How often each text came that was not ok, without what is the call's own."""
    counted: int | None
    """What the server counted as lost; None if it was not running when the store lost it."""
    may_lose: str
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether it is as it has to be."""
        return not self.problems


async def run_fault(fault: Fault, transport: str, folder: Path) -> Outcome:
    """Run a fault in an empty folder.

    Raises:
        RuntimeError: The fault could not be made, so that nothing is known.
    """
    async with run_world(folder, fault, transport) as world:
        address = world.server.address
        async with run_traffic(
            address,
            name="t",
            users=fault.rates.users,
            events_per_second=fault.rates.events_per_second,
            scores_per_second=fault.rates.scores_per_second,
            batch=fault.rates.batch,
            timeout_seconds=fault.rates.timeout_seconds,
        ) as traffic:
            world.sent = traffic
            await _until_well(traffic)
            pid = world.server.pid
            began = time.monotonic()
            async with fault.act(world):
                await asyncio.sleep(fault.seconds)
            repaired = time.monotonic()
            is_normal = await _until_calm(traffic, repaired)
            sent_again = await traffic.settle()
            found = await _audit(world, traffic)
            counted = await _counted(world, found.lost) if world.server.pid == pid else None
    return _judge(fault, transport, traffic, _Course(began, repaired, is_normal, sent_again, counted), found)


class _Course(NamedTuple):
    """How a run went; times are of ``time.monotonic``."""

    began: float
    repaired: float
    is_normal: bool
    sent_again: int
    counted: int | None


def _judge(fault: Fault, transport: str, traffic: Traffic, course: _Course, found: Audit) -> Outcome:
    calls: list[Event | Score] = [*traffic.events, *traffic.scores]
    last_bad = max((call.sent for call in calls if call.kind is not Kind.OK), default=0.0)
    normal = max(course.repaired, last_bad)
    until = max(normal, course.began + _CALM_SECONDS)
    during = [call for call in calls if course.began <= call.sent <= until]
    answered = [call.ended - call.sent for call in during if call.kind is not Kind.FAILED]
    counts = outcomes(during)
    return Outcome(
        fault=fault.name,
        transport=transport,
        calls=len(during),
        ok=counts[Kind.OK],
        degraded=counts[Kind.DEGRADED],
        rejected=counts[Kind.REJECTED],
        failed=counts[Kind.FAILED],
        p99_ms=float(np.quantile(answered, 0.99)) * 1e3 if answered else None,
        normal_seconds=normal - course.repaired,
        is_normal=course.is_normal,
        sent_again=course.sent_again,
        audit=found,
        answers=dict(Counter(call.detail for call in during if call.detail).most_common(5)),
        counted=course.counted,
        may_lose=fault.may_lose,
        problems=tuple(_problems(fault, course, counts, found)),
    )


def _problems(fault: Fault, course: _Course, counts: Mapping[Kind, int], found: Audit) -> list[str]:
    problems = []
    if fault.all_ok and sum(counts.values()) > counts[Kind.OK]:
        problems.append(f"{sum(counts.values()) - counts[Kind.OK]} calls were not answered as they should")
    if not course.is_normal:
        problems.append(f"not as before {_PATIENCE_SECONDS:.0f} s after the repair")
    if found.lost and not fault.may_lose:
        problems.append(f"{found.lost} acknowledged events are lost")
    # It also counts what it wrote for callers who had given up; they send that again.
    if course.counted is not None and not found.lost <= course.counted <= found.lost + course.sent_again:
        problems.append(f"{found.lost} acknowledged events are lost, but the server counted {course.counted}")
    if found.twice:
        problems.append(f"{found.twice} events are counted twice")
    if found.differing:
        problems.append(f"{found.differing} states differ from the replay of the streams")
    if found.stale:
        problems.append(f"{found.stale} scores lack acknowledged events and are not marked")
    return problems


async def _until_well(traffic: Traffic) -> None:
    """Wait until traffic flows."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not any(event.acknowledged for event in traffic.events):  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(_POLL_SECONDS)
    await asyncio.sleep(_WARM_SECONDS)


async def _until_calm(traffic: Traffic, repaired: float) -> bool:
    """Wait until all calls are answered as before; returns whether it came to that."""
    while True:
        await asyncio.sleep(_POLL_SECONDS)
        now = time.monotonic()
        if traffic.calm_until - max(repaired, traffic.last_bad) >= _CALM_SECONDS:
            return True
        if now - repaired > _PATIENCE_SECONDS:
            return False


async def _audit(world: World, traffic: Traffic) -> Audit:
    with world.open_store() as store:
        return await asyncio.to_thread(audit, store, traffic)


async def _counted(world: World, expected: int) -> int:
    """Read how many events the server counted as lost; waits a moment for it to find them."""
    until = time.monotonic() + _COUNTED_SECONDS
    while True:
        counted = await asyncio.to_thread(_read_counter, world.server.metrics_url)
        if counted >= expected or time.monotonic() > until:
            return counted
        await asyncio.sleep(_POLL_SECONDS)


def _read_counter(url: str) -> int:
    try:
        with urlopen(url, timeout=5) as response:
            text = response.read().decode()
    except (URLError, TimeoutError):
        return 0
    found = re.search(rf"^{_LOST_SERIES} (\S+)$", text, re.MULTILINE)
    return round(float(found[1])) if found else 0
