"""Jumps of the clock."""

from __future__ import annotations

import asyncio

import pytest

from presage_server.telemetry import clock_jumps
from presage_server.telemetry.clock_jumps import ClockWatch
from presage_server.telemetry.counting import Count


class Clocks:
    """A clock that can be set, and one that cannot."""

    def __init__(self) -> None:
        self.unix_micros = 1_700_000_000_000_000
        self.seconds = 50.0

    def pass_time(self, seconds: float, *, gained: float = 0.0) -> None:
        self.seconds += seconds
        self.unix_micros += round((seconds + gained) * 1e6)


def test_each_jump_is_logged_once_and_counted(caplog):
    clocks, jumps = Clocks(), Count()
    watch = ClockWatch(jumps, lambda: clocks.unix_micros, lambda: clocks.seconds)

    def checks(count: int, **drift: float) -> list[str]:
        caplog.clear()
        for _ in range(count):
            clocks.pass_time(1.0, **drift)
            watch.check()
        return [record.getMessage() for record in caplog.records]

    assert checks(100) == []
    clocks.pass_time(0.0, gained=86_400.0)
    (ahead,) = checks(100)
    assert ahead.startswith("the clock jumped 86400.0 s ahead: ")
    clocks.pass_time(0.0, gained=-86_400.0)
    (back,) = checks(100)
    assert back.startswith("the clock jumped 86400.0 s back: ")
    assert jumps.value == 2
    assert checks(1_000, gained=0.01) == [], "a clock that is slewed does not jump"
    clocks.pass_time(0.0, gained=2.9)
    assert checks(2) == []
    clocks.pass_time(3_600.0)
    assert checks(1) == [], "a check that comes late is no jump"
    assert jumps.value == 2


async def test_it_checks_until_it_is_cancelled(monkeypatch, caplog):
    monkeypatch.setattr(clock_jumps, "_EVERY_SECONDS", 0.001)
    clocks, jumps = Clocks(), Count()
    watching = asyncio.create_task(ClockWatch(jumps, lambda: clocks.unix_micros, lambda: clocks.seconds).run())
    await asyncio.sleep(0)
    clocks.pass_time(0.0, gained=10.0)
    async with asyncio.timeout(60):
        while not jumps.value:  # noqa: ASYNC110 - of another task
            await asyncio.sleep(0.001)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    assert len(caplog.records) == 1
