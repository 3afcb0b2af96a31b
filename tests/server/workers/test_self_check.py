"""A process that cannot serve ends, and says why."""

from __future__ import annotations

import asyncio
import threading
import time

import grpc
import pytest

from presage.v1 import scoring_service_pb2 as pb
from presage.v1 import scoring_service_pb2_grpc
from presage_server.errors import StartupError
from presage_server.transport.interface import TransportHungError
from presage_server.workers import self_check
from presage_server.workers.self_check import SelfCheck, watched_loop
from support.planted import plant
from support.running_server import GENEROUS_SECONDS, server_process
from support.transports import native_first

FAILED = 70
HANGING = """
    import time
    from presage_server.pipeline.pipeline import Pipeline
    from presage_server.transport import native
    from presage_server.workers import self_check

    def turn(pipeline, calls, real_turn=Pipeline.turn):
        if calls:
            time.sleep(3_600)
        return real_turn(pipeline, calls)

    Pipeline.turn = turn
    native._HUNG_SECONDS = 2.0
    self_check._EVERY_SECONDS = 0.2
"""
FAILING = """
    from presage_server.pipeline.pipeline import Pipeline

    def turn(pipeline, calls, real_turn=Pipeline.turn):
        if calls:
            raise BaseException("planted")  # as a panic in the library is one
        return real_turn(pipeline, calls)

    Pipeline.turn = turn
"""
SICK = """
    from grpc_health.v1 import health

    async def check(servicer, request, context):
        raise RuntimeError("planted")

    health.aio.HealthServicer.Check = check
"""


class ScriptedTransport:
    """Is alive, or hangs, as the script says; at its end, it is alive."""

    def __init__(self, *hangs: bool) -> None:
        self.hangs = list(hangs)

    def check_alive(self) -> None:
        if self.hangs and self.hangs.pop(0):
            raise TransportHungError("no calls taken")


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(self_check, "_EVERY_SECONDS", 0.01)


async def reasons(transport: ScriptedTransport, address: str = "") -> list[str]:
    """Run checks until the script has ended, and a few more; return the failures."""
    found: list[str] = []
    running = asyncio.create_task(SelfCheck(transport, address, on_failure=found.append).run())
    async with asyncio.timeout(GENEROUS_SECONDS):
        while transport.hangs:  # noqa: ASYNC110 - the checks tell nobody
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    running.cancel()
    return found


@pytest.mark.parametrize(
    ("hangs", "expected"),
    [((), []), ((True, False, True, False, True), []), ((False, True, True), ["no calls taken"])],
    ids=["never", "now and then", "twice in a row"],
)
async def test_two_failed_checks_in_a_row_are_a_failure(fast, hangs, expected):
    assert await reasons(ScriptedTransport(*hangs)) == expected


async def test_a_server_that_hangs_from_the_start_does_not_start():
    with pytest.raises(StartupError, match="the server does not answer itself: no calls taken"):
        await SelfCheck(ScriptedTransport(True), "").run_once()


async def test_a_port_without_health_is_a_failure_with_the_status(unused_tcp_port):
    with pytest.raises(StartupError, match="Health ended with UNAVAILABLE"):
        await SelfCheck(ScriptedTransport(), f"127.0.0.1:{unused_tcp_port}").run_once()


async def test_a_proxy_for_http_is_not_asked(served, monkeypatch, unused_tcp_port):
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_tcp_port}")
    await SelfCheck(ScriptedTransport(), served.address).run_once()


async def test_a_process_without_file_descriptors_goes_on(monkeypatch, unused_tcp_port):
    """Calls on connections that are open are served; nothing shows whether new ones are accepted."""

    def no_socket(*_args: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(self_check.socket, "socket", no_socket)
    await SelfCheck(ScriptedTransport(), f"127.0.0.1:{unused_tcp_port}").run_once()


async def test_a_loop_that_hangs_is_noticed_once_and_one_that_turns_never(fast):
    found: list[str] = []
    noticed = threading.Event()

    def on_failure(reason: str) -> None:
        found.append(reason)
        noticed.set()

    with watched_loop(on_failure):
        await asyncio.sleep(0.5)
        assert found == []
        assert noticed.wait(GENEROUS_SECONDS)  # in the loop's thread: it makes no turn
        time.sleep(0.1)  # noqa: ASYNC251 - as above
    assert found == ["the event loop hangs: no turn in 10 checks, 0.01 s apart"]


async def call_once(address: str) -> grpc.StatusCode:
    async with grpc.aio.insecure_channel(address, options=[("grpc.enable_retries", 0)]) as channel:
        stub = scoring_service_pb2_grpc.ScoringServiceStub(channel)
        return await stub.Score(pb.ScoreRequest(user_id="u"), timeout=GENEROUS_SECONDS).code()


@native_first
@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize(
    ("fault", "reason"),
    [(FAILING, "BaseException: planted"), (HANGING, "the server does not answer itself and ends: ")],
    ids=["fails", "hangs"],
)
async def test_a_process_whose_serving_thread_fails_or_hangs_ends(models, store, tmp_path, fault, reason):
    flags = ("--models", str(models), "--redis-url", store.url)
    with server_process(tmp_path / "log", *flags, **plant(tmp_path, fault)) as server:
        assert await call_once(server.address) is grpc.StatusCode.UNAVAILABLE
        assert await asyncio.to_thread(server.wait) == (FAILED, "")
        assert reason in server.log


def test_a_server_that_does_not_answer_itself_is_never_ready(each_transport, models, store, tmp_path):
    flags = ("--models", str(models), "--redis-url", store.url)
    with server_process(tmp_path / "log", *flags, wait=False, **plant(tmp_path, SICK)) as server:
        assert server.wait() == (2, "")
        expected = "presage: cannot serve: the server does not answer itself: Health ended with UNKNOWN"
        assert expected in server.log.strip().splitlines()[-1]
