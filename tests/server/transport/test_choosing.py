"""Which transport is taken, and what of pygrpc-native's insides ours relies on."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
from grpc_reflection.v1alpha import reflection
from pygrpc_native.aio import Server

from presage_server.errors import SettingsError
from presage_server.pipeline.admission import Admission
from presage_server.telemetry.metrics import Metrics
from presage_server.transport.choosing import choose_transport, make_server


@pytest.mark.parametrize(
    ("asked", "installed", "taken"),
    [
        ("auto", True, "native"),
        ("auto", False, "grpcio"),
        ("grpcio", True, "grpcio"),
        ("grpcio", False, "grpcio"),
        ("native", True, "native"),
    ],
)
def test_the_transport_that_is_asked_for_or_else_there_is_taken(asked, installed, taken):
    transport, reason = choose_transport(asked, installed=lambda: installed)

    assert transport == taken
    assert reason


def test_a_transport_that_is_not_there_is_refused_with_what_to_do():
    with pytest.raises(SettingsError, match=r"transport: .*pip install 'presage\[native\]'"):
        choose_transport("native", installed=lambda: False)


async def test_an_option_that_native_cannot_do_is_refused_by_name():
    with pytest.raises(SettingsError, match=r"transport: native cannot .*grpc\.max_connection_age_ms"):
        make_server("native", [("grpc.max_connection_age_ms", 1_000)], metrics=Metrics(), admission=Admission(10))


def test_what_ours_overrides_is_still_there():
    assert Server._on_events.__code__.co_varnames[:2] == ("self", "events")
    assert Server._dispatch.__code__.co_varnames[:1] == ("self",)
    for method in (Server._unary_response, Server._run_stream):
        assert method.__code__.co_varnames[:4] == ("self", "call", "context", "request")


def serve_one(server: grpc.aio.Server, behaviour) -> int:
    """Have a server answer one method; answer with its port."""
    handlers = {"Call": grpc.unary_unary_rpc_method_handler(behaviour)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", handlers),))
    server.add_registered_method_handlers("test.Service", handlers)
    return server.add_insecure_port("127.0.0.1:0")


@pytest.mark.parametrize("transport", ["grpcio", "native"])
async def test_the_last_answers_of_a_drain_arrive(transport):
    for _ in range(8):  # it takes luck to see one lost
        server = make_server(transport, [], metrics=Metrics(), admission=Admission(10))
        waiting, go = asyncio.Semaphore(0), asyncio.Event()

        async def answer(_request: bytes, _context: object, waiting=waiting, go=go) -> bytes:
            waiting.release()
            await go.wait()
            return bytes(2_000)

        port = serve_one(server, answer)
        await server.start()
        async with AsyncExitStack() as stack:
            own = [("grpc.use_local_subchannel_pool", 1)]
            opened = [grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=own) for _ in range(16)]
            for channel in opened:
                await stack.enter_async_context(channel)
            calls = [channel.unary_unary("/test.Service/Call")(b"") for channel in opened * 4]
            codes = asyncio.gather(*(call.code() for call in calls))
            for _ in calls:
                await waiting.acquire()
            drain = asyncio.create_task(server.stop(20))
            await asyncio.sleep(0)
            go.set()
            assert set(await codes) == {grpc.StatusCode.OK}
            await drain


@pytest.mark.parametrize("transport", ["grpcio", "native"])
async def test_a_drain_that_is_broken_off_can_be_ended_at_once(transport, short_directory, monkeypatch):
    temporary = Path(tempfile.mkdtemp(dir=short_directory))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    server, started = make_server(transport, [], metrics=Metrics(), admission=Admission(10)), asyncio.Event()

    async def hang(_request: bytes, _context: object) -> bytes:
        started.set()
        await asyncio.Event().wait()
        return b""

    # Requests in a stream: native has grpcio answer those, over a socket in a folder.
    reflection.enable_server_reflection((reflection.SERVICE_NAME,), server)
    port = serve_one(server, hang)
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/test.Service/Call")(b"")
        await started.wait()
        drain = asyncio.create_task(server.stop(3_600))
        await asyncio.sleep(0.05)
        drain.cancel()
        async with asyncio.timeout(20):
            await server.stop(None)
            assert await call.code() in {
                grpc.StatusCode.CANCELLED,
                grpc.StatusCode.UNAVAILABLE,
                grpc.StatusCode.UNKNOWN,
            }
    assert not list(temporary.iterdir())  # noqa: ASYNC240 - nobody else waits for this loop
