"""Methods that a transport does not deliver as calls reach the grpc.aio server behind it, and its answers the caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from presage_server.transport.grpcio import GrpcioTransport
from presage_server.transport.interface import ServerOptions, grpcio_options
from presage_server.transport.native import NativeTransport
from support.hpack import encode_headers
from support.http2_frames import DATA, END_HEADERS, END_STREAM, HEADERS, frame, raw_connection, request_headers
from support.plain_service import ECHO, PATHS, PlainService
from support.running_server import GENEROUS_SECONDS

LIMIT = 1 << 20
OPTIONS = ServerOptions(host="127.0.0.1", port=0, max_message_bytes=LIMIT)
SERVICE = "test.Behind"
CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


class Behind:
    """A unary method and three streams."""

    def __init__(self) -> None:
        self.address = ""
        self.left: float | None = None
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def unary(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        self.left = context.time_remaining()
        values = {key: value for key, value in context.invocation_metadata() if key.startswith("x-")}
        await context.send_initial_metadata(tuple(values.items()))
        context.set_trailing_metadata((("x-trailing-bin", b"\0\xff"),))
        return request

    async def fail(self, request: bytes, context: grpc.aio.ServicerContext) -> None:
        code = next(code for code in CODES if code.name == request.decode())
        await context.abort(code, "why: é", trailing_metadata=(("x-reason", "of its own"),))

    async def double(self, requests: AsyncIterator[bytes], _: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request
            yield request

    async def wait(self, _: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        yield b"waiting"
        context.add_done_callback(lambda _: self.cancelled.set())
        self.waiting.set()
        await asyncio.Event().wait()

    def handlers(self) -> dict[str, grpc.RpcMethodHandler]:
        return {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "Double": grpc.stream_stream_rpc_method_handler(self.double),
            "Wait": grpc.unary_stream_rpc_method_handler(self.wait),
        }


@pytest.fixture(params=["grpcio", "native"])
async def behind(request) -> AsyncIterator[tuple[Behind, grpc.aio.Channel]]:
    async with serving_behind(request.param) as served:
        yield served


@asynccontextmanager
async def serving_behind(name: str) -> AsyncIterator[tuple[Behind, grpc.aio.Channel]]:
    service, plain = Behind(), PlainService()
    server = grpc.aio.server(options=grpcio_options(OPTIONS))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, service.handlers()),))
    transport = {"grpcio": GrpcioTransport, "native": NativeTransport}[name](OPTIONS, PATHS, server)
    service.address = await transport.start(plain.on_calls)
    try:
        async with grpc.aio.insecure_channel(service.address) as channel, asyncio.timeout(GENEROUS_SECONDS):
            yield service, channel
    finally:
        await transport.stop(0.0)


async def test_messages_metadata_and_the_deadline_pass_in_both_directions(behind):
    service, channel = behind
    sent = (("x-text", "a"), ("x-bytes-bin", b"\0\1\xff"))
    for message in (b"", bytes(range(256)), bytes(LIMIT // 2)):
        call = channel.unary_unary(f"/{SERVICE}/Unary")(message, metadata=sent, timeout=GENEROUS_SECONDS)
        assert await call == message
        assert set(sent) <= set(await call.initial_metadata())
        assert tuple(await call.trailing_metadata()) == (("x-trailing-bin", b"\0\xff"),)
        assert 0 < service.left <= GENEROUS_SECONDS * 1.03  # each hop rounds it up by at most one percent
    await channel.unary_unary(f"/{SERVICE}/Unary")(b"")
    assert service.left is None, "no deadline is made up"


@pytest.mark.parametrize("code", CODES)
async def test_a_status_arrives_with_its_details_and_metadata(behind, code):
    _, channel = behind
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await failing(channel, code)
    error = caught.value
    assert (error.code(), error.details()) == (code, "why: é")
    assert tuple(error.trailing_metadata()) == (("x-reason", "of its own"),)


async def failing(channel: grpc.aio.Channel, code: grpc.StatusCode) -> None:
    call = channel.unary_unary(f"/{SERVICE}/Fail")(code.name.encode())
    try:
        await call
    except asyncio.CancelledError:  # what grpc.aio raises for CANCELLED
        raise grpc.aio.AioRpcError(
            await call.code(),
            await call.initial_metadata(),
            await call.trailing_metadata(),
            details=await call.details(),
        ) from None


async def test_a_method_or_service_that_nobody_has_is_unimplemented(behind):
    _, channel = behind
    for path in (f"/{SERVICE}/Other", "/test.Other/Unary"):
        for _ in range(10):  # whether it ends before its request is written is by chance
            calls = [channel.unary_unary(path)(b"") for _ in range(20)]
            assert {await call.code() for call in calls} == {grpc.StatusCode.UNIMPLEMENTED}


async def test_a_stream_answers_while_it_is_open_and_beside_calls(behind):
    _, channel = behind
    stream = channel.stream_stream(f"/{SERVICE}/Double")()
    for number in range(20):
        message = str(number).encode()
        await stream.write(message)
        assert [await stream.read(), await stream.read()] == [message] * 2
        assert await channel.unary_unary(ECHO)(message) == message
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF
    assert await stream.code() is grpc.StatusCode.OK


async def test_a_caller_that_leaves_or_whose_deadline_passes_ends_the_call_behind(behind):
    service, channel = behind
    method = channel.unary_stream(f"/{SERVICE}/Wait")
    call = method(b"")
    assert await call.read() == b"waiting"
    await service.waiting.wait()
    call.cancel()
    await service.cancelled.wait()
    service.cancelled.clear()
    late = method(b"", timeout=0.3)
    assert await late.read() == b"waiting"
    assert await late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await service.cancelled.wait()


@pytest.mark.parametrize("path", [b"/\xff/x", "/é/x".encode(), b"/a\0b/x", b"*", b"x" * 6_000])
async def test_a_path_that_is_no_text_is_unimplemented_and_ends_nothing(path):
    headers = [(name, path if name == ":path" else value) for name, value in request_headers(ECHO)]
    async with serving_behind("grpcio") as (service, channel), raw_connection(service.address) as raw:
        for stream in (1, 3):
            raw.send(frame(HEADERS, END_HEADERS, stream, encode_headers(headers)))
            raw.send(frame(DATA, END_STREAM, stream, bytes(5)))
            assert (await raw.answered(stream)).status == "grpc 12"
        assert await channel.unary_unary(ECHO)(b"after") == b"after"
