"""The beginning of a drain: calls in flight are finished, and those that clients kept back behind them."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import grpc
import pytest

from presage_server.transport.finishing import finish_calls
from presage_server.transport.interface import MAX_STREAMS
from support.plain_service import ECHO, HANG, plain_server
from support.running_server import GENEROUS_SECONDS

KEPT_BACK = 44


async def finish_and_stop(plain):
    await finish_calls(plain.transport, GENEROUS_SECONDS)
    await plain.transport.stop(GENEROUS_SECONDS)


async def test_calls_that_a_client_kept_back_are_answered(each_transport):
    """A connection carries so many calls at a time; the others wait in the client, and come as soon as one ends."""
    async with plain_server(each_transport) as plain, grpc.aio.insecure_channel(plain.address) as channel:
        calls = [channel.unary_unary(HANG)(b"") for _ in range(MAX_STREAMS + KEPT_BACK)]
        codes = asyncio.gather(*(call.code() for call in calls))
        await plain.until(in_flight=MAX_STREAMS)
        drain = asyncio.create_task(finish_and_stop(plain))
        await asyncio.sleep(0)
        plain.go.set()
        assert set(await codes) == {grpc.StatusCode.OK}
        await drain


async def test_calls_that_come_while_others_are_in_flight_are_answered(each_transport):
    async with plain_server(each_transport) as plain, grpc.aio.insecure_channel(plain.address) as channel:
        hanging = channel.unary_unary(HANG)(b"")
        await plain.until(in_flight=1)
        drain = asyncio.create_task(finish_and_stop(plain))
        await asyncio.sleep(0)
        assert await channel.unary_unary(ECHO)(b"late") == b"late"
        assert not drain.done()
        plain.go.set()
        assert await hanging.code() is grpc.StatusCode.OK
        await drain


async def test_calls_that_keep_coming_do_not_keep_a_server(each_transport):
    async def call_without_end(channel):
        with suppress(grpc.aio.AioRpcError):
            while True:
                await channel.unary_unary(ECHO)(b"")

    async with plain_server(each_transport) as plain, grpc.aio.insecure_channel(plain.address) as channel:
        await channel.unary_unary(ECHO)(b"")
        calling = asyncio.create_task(call_without_end(channel))
        async with asyncio.timeout(GENEROUS_SECONDS):
            await finish_calls(plain.transport, 2 * GENEROUS_SECONDS)
        assert not calling.done()
        await plain.transport.stop(GENEROUS_SECONDS)
        await calling


@pytest.mark.parametrize("limit_seconds", [0.0, 0.05])
async def test_a_call_that_does_not_end_is_not_waited_for_beyond_the_limit(each_transport, limit_seconds):
    async with plain_server(each_transport) as plain, grpc.aio.insecure_channel(plain.address) as channel:
        call = channel.unary_unary(HANG)(b"")
        await plain.until(in_flight=1)
        async with asyncio.timeout(GENEROUS_SECONDS):
            await finish_calls(plain.transport, limit_seconds)
        assert not call.done()


async def test_calls_that_have_ended_are_not_waited_for_however_they_ended(each_transport):
    async with plain_server(each_transport) as plain, grpc.aio.insecure_channel(plain.address) as channel:
        cancelled = channel.unary_unary(HANG)(b"")
        late = channel.unary_unary(HANG)(b"", timeout=0.2)
        await plain.until(in_flight=2)
        cancelled.cancel()
        assert await late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await channel.unary_unary(ECHO)(b"")
        async with asyncio.timeout(GENEROUS_SECONDS):
            await finish_calls(plain.transport, 2 * GENEROUS_SECONDS)
        assert not plain.transport.calls
