"""Failures of a transport: processing that raises, a port that is taken, a stop before the start."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
import time

import grpc
import pytest

from presage_server.errors import SettingsError
from presage_server.rpc.status import Status
from presage_server.transport.grpcio import GrpcioTransport
from presage_server.transport.interface import ServerOptions, TransportHungError, grpcio_options
from presage_server.transport.native import NativeTransport
from support.plain_service import ECHO, PATHS, PlainService, make_transport
from support.running_server import GENEROUS_SECONDS

LOOPBACK = ServerOptions(host="127.0.0.1", port=0, max_message_bytes=1 << 20)


class PlantedError(BaseException):
    """As a panic in a library is: not an Exception."""


@pytest.mark.parametrize("error", [PlantedError, ValueError, MemoryError])
@pytest.mark.parametrize("name", ["grpcio", "native"])
async def test_whatever_processing_raises_is_a_failure_of_the_transport(name, error):
    failures: list[BaseException] = []
    failed = threading.Event()

    def on_failure(failure: BaseException) -> None:
        failures.append(failure)
        failed.set()

    def on_calls(calls: list) -> float:
        if calls:
            raise error
        return 0.01

    transport: GrpcioTransport | NativeTransport
    if name == "native":
        transport = NativeTransport(LOOPBACK, PATHS, on_failure=on_failure)
    else:
        server = grpc.aio.server(options=grpcio_options(LOOPBACK))
        transport = GrpcioTransport(LOOPBACK, PATHS, server, on_failure=on_failure)
    address = await transport.start(on_calls)
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(ECHO)(b"")
        assert await asyncio.to_thread(failed.wait, GENEROUS_SECONDS)
        call.cancel()
        await transport.stop(0.0)
    assert [type(failure) for failure in failures] == [error]


async def test_native_notices_that_calls_are_no_longer_taken(monkeypatch):
    hangs, go = threading.Event(), threading.Event()

    def on_calls(calls: list) -> float:
        if calls:
            hangs.set()
            go.wait(GENEROUS_SECONDS)
            calls[0].reply(b"late")
        return 0.01

    transport = NativeTransport(LOOPBACK, PATHS)
    address = await transport.start(on_calls)
    monkeypatch.setattr("presage_server.transport.native._HUNG_SECONDS", 0.3)
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(ECHO)(b"")
        assert await asyncio.to_thread(hangs.wait, GENEROUS_SECONDS)
        await asyncio.sleep(0.4)
        with pytest.raises(TransportHungError, match="the serving thread has not taken calls for"):
            transport.check_alive()
        go.set()
        assert await call == b"late"
    monkeypatch.undo()
    transport.check_alive()
    await transport.stop(0.0)


async def test_a_thread_that_waits_does_not_hang_though_the_clock_was_set_back(monkeypatch):
    plain = PlainService()
    transport = make_transport("grpcio", LOOPBACK)
    with monkeypatch.context() as patch:
        patch.setattr("presage_server.transport.grpcio.time", lambda: time.time() + 3_600)
        address = await transport.start(plain.on_calls)
        await asyncio.sleep(0.1)  # it waits until what is in an hour now
    monkeypatch.setattr("presage_server.transport.grpcio._HUNG_SECONDS", 0.3)
    await asyncio.sleep(0.8)
    transport.check_alive()
    async with grpc.aio.insecure_channel(address) as channel:
        assert await channel.unary_unary(ECHO)(b"next", timeout=GENEROUS_SECONDS) == b"next"
    await transport.stop(0.0)


@pytest.mark.parametrize("name", ["grpcio", "native"])
@pytest.mark.parametrize("grace_seconds", [0.0, 1.0])
async def test_a_transport_that_could_not_listen_can_be_stopped(name, grace_seconds):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        transport = make_transport(name, ServerOptions(host="127.0.0.1", port=port, max_message_bytes=1 << 20))
        with pytest.raises(SettingsError, match=rf"^port: cannot listen on 127\.0\.0\.1:{port}; is it taken"):
            await transport.start(lambda _: 1.0)
        await transport.stop(grace_seconds)
        await transport.stop(0.0)


@pytest.mark.parametrize("folder", ["none", "x" * 90])
async def test_temporary_files_where_no_socket_can_be_are_an_error_of_settings(folder, tmp_path, monkeypatch):
    (tmp_path / ("x" * 90)).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / folder))
    transport = make_transport("grpcio", LOOPBACK)
    with pytest.raises(SettingsError, match=r"^TMPDIR: expected a folder that can be written to"):
        await transport.start(lambda _: 1.0)
    await transport.stop(0.0)


async def test_calls_that_are_denied_do_not_keep_the_others_waiting(monkeypatch):
    monkeypatch.setattr("presage_server.transport.grpcio._MAX_DENIED", 20)
    denied = [0]
    """In each turn."""

    def admits(call) -> bool:
        time.sleep(0.001)  # more arrive meanwhile
        denied[-1] += 1
        call.fail(Status(grpc.StatusCode.UNAUTHENTICATED.value[0], "who are you?"))
        return False

    def on_calls(_: list) -> float:
        denied.append(0)
        return 0.01

    transport = GrpcioTransport(LOOPBACK, PATHS, grpc.aio.server(options=grpcio_options(LOOPBACK)), admits=admits)
    address = await transport.start(on_calls)
    async with grpc.aio.insecure_channel(address) as channel:
        calls = [channel.unary_unary(ECHO)(b"") for _ in range(200)]
        codes = {await call.code() for call in calls}
    await transport.stop(1.0)
    assert codes == {grpc.StatusCode.UNAUTHENTICATED}
    assert (sum(denied), max(denied)) == (200, 20)
