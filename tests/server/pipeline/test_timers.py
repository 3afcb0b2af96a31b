"""Timers of our own, and the time limit made of them: as asyncio's, but cheap."""

from __future__ import annotations

import asyncio

import pytest

from presage_server.pipeline.time_limit import TimeLimit
from presage_server.pipeline.timers import Timers, timers_of


async def test_timers_fire_in_their_order_and_cancelled_ones_do_not():
    loop = asyncio.get_running_loop()
    timers, fired = Timers(loop), []
    late = timers.after(0.03, lambda: fired.append("late"))
    timers.after(0.01, lambda: fired.append("early"))
    timers.after(0.02, lambda: fired.append("cancelled")).cancel()
    done = asyncio.Event()
    timers.after(0.04, done.set)
    await asyncio.wait_for(done.wait(), 20)

    assert fired == ["early", "late"]
    late.cancel()  # too late, and no harm


async def test_no_timer_is_early():
    loop = asyncio.get_running_loop()
    for seconds in (0.0, 0.0004, 0.003, 0.02):
        done = asyncio.Event()
        began = loop.time()
        timers_of(loop).after(seconds, done.set)
        await asyncio.wait_for(done.wait(), 20)
        assert loop.time() - began >= seconds


async def test_many_timers_leave_nothing_behind():
    timers = Timers(asyncio.get_running_loop())
    for number in range(1_000):
        timers.after(0.001 + number * 1e-6, lambda: None).cancel()
    done = asyncio.Event()
    timers.after(0.01, done.set)
    await asyncio.wait_for(done.wait(), 20)
    await asyncio.sleep(0.005)

    assert (timers._slots, timers._order) == ({}, [])


async def test_a_limit_ends_what_takes_too_long_and_only_that():
    with pytest.raises(TimeoutError), TimeLimit(0.01):
        await asyncio.sleep(60)
    with TimeLimit(60):
        await asyncio.sleep(0)
    assert asyncio.current_task().cancelling() == 0


async def test_an_inner_limit_does_not_end_the_outer():
    with TimeLimit(60):
        with pytest.raises(TimeoutError), TimeLimit(0.001):
            await asyncio.sleep(60)
        await asyncio.sleep(0.001)


async def test_a_cancellation_from_elsewhere_stays_one():
    async def work():
        with TimeLimit(60):
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_an_error_inside_is_not_taken_for_a_timeout():
    with pytest.raises(ValueError, match="inside"), TimeLimit(60):
        raise ValueError("inside")
