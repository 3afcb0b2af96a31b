"""The end of a transport: the last replies arrive, nothing is left behind, and no ended call is kept."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import grpc
import pytest
from grpc_reflection.v1alpha import reflection

from presage_server.transport.grpcio import GrpcioTransport
from presage_server.transport.interface import ServerOptions, grpcio_options, stop_grpcio
from presage_server.transport.native import NativeTransport
from support.plain_service import ECHO, HANG, PATHS, SWELL, PlainService, make_transport, plain_server
from support.running_server import GENEROUS_SECONDS

LOOPBACK = ServerOptions(host="127.0.0.1", port=0, max_message_bytes=1 << 20)


async def test_the_last_replies_of_a_drain_arrive(each_transport):
    for _ in range(8):  # it takes luck to see one lost
        async with plain_server(each_transport) as plain, AsyncExitStack() as stack:
            own = [("grpc.use_local_subchannel_pool", 1)]
            opened = [grpc.aio.insecure_channel(plain.address, options=own) for _ in range(16)]
            for channel in opened:
                await stack.enter_async_context(channel)
            calls = [channel.unary_unary(HANG)(bytes(2_000)) for channel in opened * 4]
            codes = asyncio.gather(*(call.code() for call in calls))
            await plain.until(in_flight=len(calls))
            drain = asyncio.create_task(plain.transport.stop(20))
            await asyncio.sleep(0)
            plain.go.set()
            assert set(await codes) == {grpc.StatusCode.OK}
            await drain


async def test_a_cancellation_that_comes_as_the_last_call_ends_is_not_lost():
    class Server:
        """Stops as grpc.aio's does when its last call ends at the moment of the cancellation."""

        async def stop(self, grace: float | None) -> None:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0 if grace is None else grace)

    drain = asyncio.create_task(stop_grpcio(Server(), 0.2))
    await asyncio.sleep(0.01)
    drain.cancel()
    with pytest.raises(asyncio.CancelledError):
        await drain


@pytest.mark.parametrize("name", ["grpcio", "native"])
async def test_a_drain_that_is_cancelled_can_be_ended_at_once(name, short_directory, monkeypatch):
    temporary = Path(tempfile.mkdtemp(dir=short_directory))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    server = grpc.aio.server(options=grpcio_options(LOOPBACK))
    # Requests in a stream: native has grpc.aio answer those, over a socket in a folder.
    reflection.enable_server_reflection((reflection.SERVICE_NAME,), server)
    make = {"grpcio": GrpcioTransport, "native": NativeTransport}[name]
    transport, plain = make(LOOPBACK, PATHS, server), PlainService()
    address = await transport.start(plain.on_calls)
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(HANG)(b"")
        await plain.until(in_flight=1)
        drain = asyncio.create_task(transport.stop(3_600))
        await asyncio.sleep(0.05)
        drain.cancel()
        async with asyncio.timeout(20):
            await transport.stop(0.0)
            assert await call.code() in {
                grpc.StatusCode.CANCELLED,
                grpc.StatusCode.UNAVAILABLE,
                grpc.StatusCode.UNKNOWN,
            }
    assert not list(temporary.iterdir())  # noqa: ASYNC240 - nobody else waits for this loop


async def test_native_keeps_no_call_that_has_ended_however_it_ended():
    async with plain_server("native") as plain, grpc.aio.insecure_channel(plain.address) as channel:
        hang = channel.unary_unary(HANG)
        await asyncio.gather(*(channel.unary_unary(ECHO)(b"") for _ in range(100)))
        await asyncio.gather(*(channel.unary_unary(SWELL)(b"") for _ in range(10)))
        cancelled = [hang(b"") for _ in range(100)]
        await plain.until(in_flight=100)
        assert len(plain.transport.calls) == 100
        for call in cancelled:
            call.cancel()
        await plain.until(in_flight=0, cancelled=100)
        late = [hang(b"", timeout=0.3) for _ in range(100)]
        assert {await call.code() for call in late} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        await plain.until(in_flight=0)
        # The client may have given up a call before the server has sent its reply.
        async with asyncio.timeout(GENEROUS_SECONDS):
            while plain.transport.calls:  # noqa: ASYNC110 - another thread's
                await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_calls_that_come_while_the_last_are_processed_do_not_outlive_the_end(each_transport):
    plain, takes, go = PlainService(), threading.Event(), threading.Event()

    def on_calls(calls: list) -> float:
        if calls:
            takes.set()
            go.wait(GENEROUS_SECONDS)
        return plain.on_calls(calls)

    transport = make_transport(each_transport, LOOPBACK)
    async with grpc.aio.insecure_channel(await transport.start(on_calls)) as channel:
        calls = [channel.unary_unary(path)(b"") for path in (ECHO, *[ECHO, "/test.Other/Unary"] * 20)]
        assert await asyncio.to_thread(takes.wait, GENEROUS_SECONDS)
        await asyncio.sleep(0.1)  # by now the others wait in the library
        stop = asyncio.create_task(transport.stop(0.0))
        await asyncio.sleep(0.1)
        go.set()
        async with asyncio.timeout(GENEROUS_SECONDS):
            await stop
            assert all([await call.code() is not None for call in calls])
