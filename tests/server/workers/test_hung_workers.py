"""``presage serve --workers N`` when a process hangs: it is replaced, while the others answer."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import grpc
import pytest

from presage.v1 import scoring_service_pb2 as pb
from presage_server.settings import Settings
from presage_server.workers import process
from support.metrics import metric
from support.planted import plant
from support.running_server import GENEROUS_SECONDS, gone, server_process, track
from support.transports import native_first
from support.worker_processes import channels, stub_of, until, workers_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux distributes connections; and reads /proc")

QUICK_PINGS = """
    from presage_server.workers import process
    process._PING_SECONDS = 0.2
"""
HANGING = """
    import time
    from presage_server.pipeline.pipeline import Pipeline
    from presage_server.transport import native
    from presage_server.workers import self_check

    def turn(pipeline, calls, real_turn=Pipeline.turn):
        for call in calls:
            if b"the end" in call.request:
                time.sleep(3_600)
        return real_turn(pipeline, calls)

    Pipeline.turn = turn
    native._HUNG_SECONDS = 2.0
    self_check._EVERY_SECONDS = 0.2
"""


async def restarted(port: int) -> None:
    """Wait until one of two workers has been replaced."""

    async def two_serve_again() -> bool:
        return await metric(port, "presage_worker_restarts_total") == 1 and await metric(port, "presage_workers") == 2

    await until(two_serve_again)


async def test_a_worker_that_is_stopped_is_replaced(models, store, tmp_path, unused_tcp_port):
    flags = ("--models", str(models), "--redis-url", store.url, "--metrics-port", str(unused_tcp_port))
    with server_process(tmp_path / "log", "--workers", "2", *flags, **plant(tmp_path, QUICK_PINGS)) as server:
        victim, other = workers_of(server)
        os.kill(victim, signal.SIGSTOP)
        await restarted(unused_tcp_port)
        assert gone(victim)
        assert other in workers_of(server)
        async with channels(server.address, 16) as opened:
            await asyncio.gather(*(stub_of(channel).TrackEvent(track()) for channel in opened))
    assert f"(process {victim}) hangs and is killed: it left 10 pings unanswered" in server.log
    assert "ended with code -9 and is started again" in server.log


@native_first
async def test_a_worker_whose_serving_thread_hangs_is_replaced(
    each_transport, models, store, tmp_path, unused_tcp_port
):
    flags = ("--models", str(models), "--redis-url", store.url, "--metrics-port", str(unused_tcp_port))
    with server_process(tmp_path / "log", "--workers", "2", *flags, **plant(tmp_path, HANGING)) as server:
        async with channels(server.address, 1) as (channel,):
            call = stub_of(channel).Score(pb.ScoreRequest(user_id="the end"), timeout=GENEROUS_SECONDS)
            assert await call.code() is grpc.StatusCode.UNAVAILABLE
        await restarted(unused_tcp_port)
    assert "ended with code 70 and is started again" in server.log


@pytest.mark.slow
async def test_a_supervisor_that_was_stopped_itself_blames_no_worker(models, store, tmp_path, unused_tcp_port):
    flags = ("--models", str(models), "--redis-url", store.url, "--metrics-port", str(unused_tcp_port))
    with server_process(tmp_path / "log", "--workers", "2", *flags, **plant(tmp_path, QUICK_PINGS)) as server:
        before = workers_of(server)
        server.signal(signal.SIGSTOP)
        await asyncio.sleep(3)  # more than ten pings
        server.signal(signal.SIGCONT)
        assert await metric(unused_tcp_port, "presage_workers") == 2
        await asyncio.sleep(0.5)
        assert workers_of(server) == before


async def test_a_worker_that_hangs_before_it_serves_is_killed(models, monkeypatch):
    monkeypatch.setattr(process, "_READY_SECONDS", 0.2)
    worker = await process.WorkerProcess.start(0, Settings(models=models, port=0))
    try:
        os.kill(worker.pid, signal.SIGSTOP)
        with pytest.raises(process.WorkerFailedError, match=r"worker 0 did not serve within 0\.2 s and was killed"):
            await worker.until_ready()
    finally:
        await worker.end()
    assert gone(worker.pid)
