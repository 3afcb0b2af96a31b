from __future__ import annotations

import asyncio

import pytest

from presage_client import AsyncClient, RequestCancelledError
from support.scripted_servicer import Hold, nobody_at


async def test_cancelling_the_task_cancels_the_call_and_stays_a_cancellation(target, servicer, options):
    held = Hold()
    servicer.script.append(held)
    async with AsyncClient(target, options=options) as client:
        call = asyncio.create_task(client.score("u-1"))
        await asyncio.to_thread(held.reached.wait, 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await asyncio.to_thread(held.ended.wait, 10)
        assert (await client.score("u-1")).model == "plain"


async def test_a_callers_own_timeout_is_a_timeout(target, servicer, options):
    servicer.script.append(Hold())
    async with AsyncClient(target, options=options) as client:
        await client.wait_until_ready()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.score("u-1")


async def test_calls_run_side_by_side_on_one_connection(target, servicer, options):
    async with AsyncClient(target, options=options) as client:
        predictions = await asyncio.gather(*(client.score(f"u-{n}") for n in range(200)))
    assert len(predictions) == 200
    assert {request.user_id for request in servicer.requests("Score")} == {f"u-{n}" for n in range(200)}


async def test_closing_the_client_while_waiting_for_the_server_ends_the_wait():
    with nobody_at() as target:
        client = AsyncClient(target)
        waiting = asyncio.create_task(client.wait_until_ready(30))
        await asyncio.sleep(0.05)
        await client.close()
        with pytest.raises(RequestCancelledError, match="the client is closed"):
            await waiting


def test_a_client_belongs_to_the_loop_of_its_first_call(target, options):
    client = AsyncClient(target, options=options)  # needs no loop yet

    async def use_and_keep():
        await client.score("u-1")

    async def use_from_another_loop():
        with pytest.raises(RuntimeError, match="belongs to the event loop of its first call"):
            await client.score("u-1")

    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(use_and_keep())
        second.run(use_from_another_loop())
        first.run(client.close())
