from __future__ import annotations

import asyncio
import time

from benchmarks.loop_timer import LoopTimer


def test_it_runs_only_while_something_is_awaited_through_it():
    timer = LoopTimer()

    async def answer():
        await asyncio.sleep(0.02)
        return "answer"

    with asyncio.Runner() as runner:
        time.sleep(0.01)
        assert timer() == 0.0
        assert timer.run(runner, answer) == "answer"
        first = timer()
        time.sleep(0.01)
        assert timer() == first >= 0.02
        timer.run(runner, answer)
        assert timer() >= first + 0.02
