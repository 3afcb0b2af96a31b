"""Metrics leave a server by another process, whose troubles are none of the server's."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from presage.v1 import scoring_service_pb2 as pb
from support.metrics import exchange, metric, readiness
from support.running_server import GENEROUS_SECONDS, gone, server_process, serving, track

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

APPLIED = 'presage_events_total{outcome="applied"}'


def exporters(server_pid: int) -> list[int]:
    """Find the processes that serve a server's metrics."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if (
                b"presage_server.telemetry.exporter" in words
                and str(server_pid).encode() in words
                and b"-c" not in words
            ):
                found.append(int(process.name))
    return found


async def exporter_of(server_pid: int) -> int:
    """Wait for the process that serves a server's metrics."""
    async with asyncio.timeout(GENEROUS_SECONDS):
        while not exporters(server_pid):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.02)
    return exporters(server_pid)[0]


async def test_an_exporter_that_is_killed_is_started_again_and_scrapers_wait_for_it(store, models, unused_tcp_port):
    async with serving(redis_url=store.url, models=models, metrics_port=unused_tcp_port) as served:
        await served.stub.TrackEvent(track("u", "a"))
        assert await metric(unused_tcp_port, APPLIED) == 1
        first = await exporter_of(os.getpid())
        os.kill(first, signal.SIGKILL)
        await served.stub.TrackEvent(track("u", "b"))

        async def scraped() -> float:
            async with asyncio.timeout(GENEROUS_SECONDS):
                while True:
                    try:
                        return await metric(unused_tcp_port, APPLIED)
                    except (ConnectionError, ValueError):  # the one that was being answered when it died
                        await asyncio.sleep(0.01)

        assert await scraped() == 2
        assert await exporter_of(os.getpid()) != first


async def test_an_exporter_that_hangs_harms_no_call(store, models, unused_tcp_port):
    async with serving(redis_url=store.url, models=models, metrics_port=unused_tcp_port) as served:
        exporter = await exporter_of(os.getpid())
        os.kill(exporter, signal.SIGSTOP)
        scrapes = [asyncio.create_task(exchange(unused_tcp_port, b"GET / HTTP/1.1\r\n\r\n")) for _ in range(20)]
        try:
            for number in range(20):
                await served.stub.TrackEvent(track("u", str(number)))
        finally:
            os.kill(exporter, signal.SIGCONT)
        assert all(answer.startswith(b"HTTP/1.1 200 OK") for answer in await asyncio.gather(*scrapes))
        assert await metric(unused_tcp_port, APPLIED) == 20


@pytest.mark.slow
def test_it_ends_with_the_server(store, models, tmp_path, unused_tcp_port):
    flags = ("--models", str(models), "--redis-url", store.url, "--metrics-port", str(unused_tcp_port))
    for number in (signal.SIGTERM, signal.SIGKILL):
        with server_process(tmp_path / "log", *flags) as server:
            exporter = asyncio.run(exporter_of(server.pid))
            assert asyncio.run(metric(unused_tcp_port, "process_open_fds")) > 10, "the server's, not its own"
            server.signal(number)
            server.wait()
            assert gone(exporter)


async def test_a_server_is_ready_when_it_serves_and_not_when_it_drains(store, models, unused_tcp_port):
    settings = {"redis_url": store.url, "models": models, "metrics_port": unused_tcp_port}
    async with serving(**settings, drain_delay_seconds=1.0) as served:
        assert await readiness(unused_tcp_port) == (200, "ready")
        await served.stub.Score(pb.ScoreRequest(user_id="u"))

        async def draining() -> tuple[int, str]:
            while (found := await readiness(unused_tcp_port))[0] == 200:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.01)
            return found

        watching = asyncio.create_task(draining())
    assert await watching == (503, "not ready: the server is draining")
