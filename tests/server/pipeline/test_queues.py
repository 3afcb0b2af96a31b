"""Queues by name: turns do not overlap, come in order, and leave nothing behind, also when a waiter gives up."""

from __future__ import annotations

import asyncio
import random

import pytest

from presage_server.pipeline.queues import NamedQueues


async def test_turns_with_one_name_come_in_order_and_with_another_at_once():
    queues, order = NamedQueues(), []

    async def take(name: str, label: str, pauses: int) -> None:
        async with queues.turn([name]):
            for _ in range(pauses):
                await asyncio.sleep(0)
            order.append(label)

    await asyncio.gather(take("a", "a1", 5), take("a", "a2", 0), take("b", "b1", 0), take("a", "a3", 0))
    assert order == ["b1", "a1", "a2", "a3"]
    assert len(queues) == 0


async def test_a_name_given_twice_is_waited_for_once():
    queues = NamedQueues()
    async with asyncio.timeout(10), queues.turn(["a", "b", "a"]):
        assert len(queues) == 2
    assert len(queues) == 0


async def test_a_turn_that_fails_frees_its_names():
    queues = NamedQueues()
    with pytest.raises(ValueError, match="inside"):
        async with queues.turn(["a"]):
            raise ValueError("inside")
    async with asyncio.timeout(10), queues.turn(["a"]):
        pass
    assert len(queues) == 0


@pytest.mark.parametrize("seed", range(20))
async def test_random_turns_and_cancellations_never_overlap_lock_up_or_leak(seed):
    chance = random.Random(seed)
    queues, holders, overlaps, taken = NamedQueues(), set(), [], 0

    async def take(names: list[str], pauses: int) -> None:
        nonlocal taken
        async with queues.turn(names):
            overlaps.extend(holders.intersection(names))
            holders.update(names)
            taken += 1
            try:
                for _ in range(pauses):
                    await asyncio.sleep(0)
            finally:
                holders.difference_update(names)

    async with asyncio.timeout(30):
        tasks = []
        for _ in range(200):
            names = chance.sample("abcdef", chance.randrange(1, 5))
            tasks.append(asyncio.create_task(take(names, chance.randrange(4))))
            if chance.random() < 0.5:
                await asyncio.sleep(0)
            if chance.random() < 0.4:
                chance.choice(tasks).cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert overlaps == []
    assert taken > 50
    assert len(queues) == 0
