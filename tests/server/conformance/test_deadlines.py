"""Deadlines and cancellation: what the caller no longer waits for is no longer done."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from support.http2_frames import CANCEL, RST_STREAM, call, frame, raw_connection
from support.plain_service import ECHO, HANG
from support.running_server import GENEROUS_SECONDS

ATTEMPTS = 20
"""On a busy machine, a call may end before the service has seen it."""


async def test_a_deadline_ends_the_call_and_the_work(plain, channel):
    hang = channel.unary_unary(HANG)
    await channel.channel_ready()
    for _ in range(ATTEMPTS):
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await hang(b"", timeout=0.2)
        assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await plain.until(in_flight=0)
        if plain.cancelled:
            return
    pytest.fail("no call got as far as the service")


@pytest.mark.parametrize("grpc_timeout", ["99000000n", "99000u", "99m"])
async def test_the_header_alone_is_a_deadline_whatever_its_unit(plain, grpc_timeout):
    """The client of this test does not look at the time: only the server can end the call."""
    async with raw_connection(plain.address) as raw:
        for stream in range(1, 2 * ATTEMPTS, 2):
            raw.send(call(stream, HANG, grpc_timeout=grpc_timeout))
            assert (await raw.answered(stream)).status == "grpc 4"
            await plain.until(in_flight=0)
            if plain.cancelled:
                return
    pytest.fail("no call got as far as the service")


@pytest.mark.parametrize("grpc_timeout", ["1H", "1M", "99999999S", "99999999H"])
async def test_a_far_deadline_changes_nothing(plain, grpc_timeout):
    async with raw_connection(plain.address) as raw:
        raw.send(call(1, ECHO, b"in time", grpc_timeout=grpc_timeout))
        assert (await raw.answered(1)).status == "grpc 0"


@pytest.mark.parametrize("grpc_timeout", ["0n", "1n"])
async def test_a_deadline_that_has_passed_ends_the_call(plain, grpc_timeout):
    async with raw_connection(plain.address) as raw:
        raw.send(call(1, HANG, grpc_timeout=grpc_timeout))
        assert (await raw.answered(1)).status == "grpc 4"
        await plain.until(in_flight=0)


async def test_calls_that_end_as_they_come_are_not_kept(plain):
    streams = range(1, 401, 2)
    async with raw_connection(plain.address) as raw:
        raw.send(b"".join(call(stream, HANG, grpc_timeout="0n") for stream in streams))
        assert {(await raw.answered(stream)).status for stream in streams} == {"grpc 4"}
        async with asyncio.timeout(GENEROUS_SECONDS):
            while getattr(plain.transport, "calls", {}):  # noqa: ASYNC110 - native's own
                await asyncio.sleep(0.01)
        await plain.until(in_flight=0)


async def test_a_cancelled_call_s_work_ends_and_its_neighbours_go_on(plain, channel):
    hang = channel.unary_unary(HANG)
    calls = [hang(bytes([number])) for number in range(50)]
    await plain.until(in_flight=50)
    for one in calls[::2]:
        one.cancel()
    await plain.until(in_flight=25, cancelled=25)
    plain.go.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert answers[1::2] == [bytes([number]) for number in range(1, 50, 2)]
    assert {type(one) for one in answers[::2]} == {asyncio.CancelledError}
    await plain.until(in_flight=0, cancelled=25)


async def test_a_reset_in_the_middle_ends_the_work_and_nothing_else(plain):
    async with raw_connection(plain.address) as raw:
        raw.send(b"".join(call(stream, HANG) for stream in (1, 3, 5)))
        await plain.until(in_flight=3)
        raw.send(frame(RST_STREAM, 0, 3, CANCEL.to_bytes(4, "big")))
        await plain.until(in_flight=2, cancelled=1)
        plain.go.set()
        assert [(await raw.answered(stream)).status for stream in (1, 5)] == ["grpc 0"] * 2
        raw.send(call(7, ECHO))
        assert (await raw.answered(7)).status == "grpc 0"
        assert raw.answer(3).status == ""


async def test_a_connection_that_breaks_ends_the_work_of_all_its_calls(plain, channel):
    other = channel.unary_unary(HANG)(b"other")
    await plain.until(in_flight=1)
    async with raw_connection(plain.address) as raw:
        raw.send(b"".join(call(stream, HANG) for stream in range(1, 41, 2)))
        await plain.until(in_flight=21)
    await plain.until(in_flight=1, cancelled=20)
    plain.go.set()
    assert await other == b"other"
