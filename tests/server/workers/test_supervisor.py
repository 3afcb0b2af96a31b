"""``presage serve --workers N`` as an operator meets it: several processes, one server."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from presage.v1 import scoring_service_pb2 as pb
from presage_featurizer import decode_event
from support.metrics import metric, metrics_text
from support.proxies import silent_store
from support.running_server import GENEROUS_SECONDS, PATIENT, gone, server_process, track
from support.worker_processes import channels, children, stub_of, until, workers_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux distributes connections; and reads /proc")

SERVING = health_pb2.HealthCheckResponse.SERVING


def sockets_of(pid: int) -> int:
    links = [link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir()]
    return sum(link.startswith("socket:") for link in links)


async def test_connections_are_distributed_and_counted_as_one_servers(models, store, tmp_path, unused_tcp_port):
    flags = ("--models", str(models), "--redis-url", store.url, "--metrics-port", str(unused_tcp_port))
    with server_process(tmp_path / "log", "--workers", "3", *flags) as server:
        assert re.fullmatch(r"127\.0\.0\.1:\d+", server.address)
        workers = workers_of(server)
        assert len(workers) == 3
        before = {worker: sockets_of(worker) for worker in workers}
        async with channels(server.address, 32) as opened:
            assert all(sockets_of(worker) > before[worker] for worker in workers)
            for number, channel in enumerate(opened):
                health = health_pb2_grpc.HealthStub(channel)
                assert (await health.Check(health_pb2.HealthCheckRequest())).status == SERVING
                await stub_of(channel).TrackEvent(track("u", f"event-{number}"))
        text = await metrics_text(unused_tcp_port)
        assert 'grpc_server_handled_total{grpc_code="OK",grpc_method="TrackEvent"} 32.0' in text.splitlines()
        assert "presage_workers 3.0" in text.splitlines()
        server.signal(signal.SIGTERM)
        assert server.wait() == (0, "")
        assert all(gone(worker) for worker in workers)
    tracked = [decode_event(entry[b"event"]).event_id for entry in store.stream("u")]
    assert tracked == [f"event-{number}" for number in range(32)]


async def test_a_worker_that_dies_is_started_again_and_what_it_had_counted_stays(
    models, store, tmp_path, unused_tcp_port
):
    flags = ("--models", str(models), "--redis-url", store.url, "--metrics-port", str(unused_tcp_port))
    calls = 'grpc_server_handled_total{grpc_code="OK",grpc_method="TrackEvent"}'
    with server_process(tmp_path / "log", "--workers", "2", *flags) as server:
        async with channels(server.address, 16) as opened:
            await asyncio.gather(*(stub_of(channel).TrackEvent(track()) for channel in opened))
        assert await metric(unused_tcp_port, calls) == 16
        victim, other = workers_of(server)
        os.kill(victim, signal.SIGKILL)

        async def two_serve_again() -> bool:
            return (
                await metric(unused_tcp_port, "presage_worker_restarts_total") == 1
                and await metric(unused_tcp_port, "presage_workers") == 2
            )

        await until(two_serve_again)
        assert gone(victim)
        workers = workers_of(server)
        assert (len(workers), other in workers) == (2, True)
        async with channels(server.address, 16) as opened:
            await asyncio.gather(*(stub_of(channel).TrackEvent(track()) for channel in opened))
        assert await metric(unused_tcp_port, calls) == 32
    assert "ended with code -9 and is started again" in server.log


@pytest.mark.parametrize("also_workers", [False, True], ids=["the supervisor", "every process, as systemd does"])
async def test_sigterm_lets_the_calls_of_all_workers_end_well_and_takes_the_store_along(models, tmp_path, also_workers):
    flags = ("--models", str(models), "--data-dir", str(tmp_path / "data"), "--timeout-ms", "30000", *PATIENT)
    with server_process(tmp_path / "log", "--workers", "2", *flags) as server:
        workers = workers_of(server)
        (store_pid,) = set(children(server.pid)) - set(workers)
        async with channels(server.address, 16) as opened:
            watches = [health_pb2_grpc.HealthStub(one).Watch(health_pb2.HealthCheckRequest()) for one in opened]
            assert {(await watch.read()).status for watch in watches} == {SERVING}
            os.kill(store_pid, signal.SIGSTOP)
            tasks = [asyncio.ensure_future(stub_of(one).TrackEvent(track("u", f"{id(one)}"))) for one in opened]
            for channel in opened:
                with pytest.raises(grpc.aio.AioRpcError, match="INVALID_ARGUMENT"):
                    await stub_of(channel).TrackEvent(track(""))  # behind the other one: that has arrived by now
            for pid in workers if also_workers else ():
                os.kill(pid, signal.SIGTERM)
            server.signal(signal.SIGTERM)
            assert SERVING not in {(await watch.read()).status for watch in watches}
            for watch in watches:
                watch.cancel()
            assert [task for task in tasks if task.done()] == []
            os.kill(store_pid, signal.SIGCONT)
            assert [answer.duplicate for answer in await asyncio.gather(*tasks)] == [False] * 16
        assert server.wait() == (0, "")
        assert gone(store_pid)
        assert all(gone(worker) for worker in workers)


@pytest.mark.slow
async def test_a_second_sigint_ends_all_workers_at_once(models, store, tmp_path):
    patience = ("--timeout-ms", "600000", "--drain-seconds", "3600", *PATIENT)
    flags = ("--models", str(models), "--redis-url", store.url, *patience)
    with server_process(tmp_path / "log", "--workers", "2", *flags) as server:
        workers = workers_of(server)
        async with channels(server.address, 1) as (channel,):
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            assert (await watch.read()).status == SERVING
            with store.frozen():
                call = asyncio.ensure_future(stub_of(channel).TrackEvent(track()))
                with pytest.raises(grpc.aio.AioRpcError, match="INVALID_ARGUMENT"):
                    await stub_of(channel).TrackEvent(track(""))
                server.signal(signal.SIGINT)
                assert (await watch.read()).status != SERVING
                assert server.still_running()
                server.signal(signal.SIGINT)
                assert await asyncio.to_thread(server.wait) == (0, "")
            await asyncio.gather(call, return_exceptions=True)
        assert all(gone(worker) for worker in workers)
        assert "Traceback" not in server.log


def test_workers_of_a_killed_supervisor_end_by_themselves(models, tmp_path, short_directory):
    flags = ("--models", str(models), "--data-dir", str(tmp_path / "data"))
    with server_process(tmp_path / "log", "--workers", "2", *flags, TMPDIR=str(short_directory)) as server:
        processes = children(server.pid)
        assert len(processes) == 3
        server.signal(signal.SIGKILL)
        assert server.wait() == (-signal.SIGKILL, "")
        assert all(gone(process) for process in processes)
        assert server.log.count("the supervisor is gone") == 2


async def test_a_server_whose_workers_wait_for_a_silent_store_stops_at_once(models, tmp_path):
    async with silent_store() as (url, asked):
        flags = ("--workers", "2", "--models", str(models), "--redis-url", url)
        with server_process(tmp_path / "log", *flags, wait=False) as server:
            await asyncio.wait_for(asked.wait(), GENEROUS_SECONDS)
            server.signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.wait) == (0, "")
        assert "Traceback" not in server.log


def complaint(server) -> str:
    """Wait for a server that cannot start; answer with its last word."""
    assert server.wait() == (2, "")
    assert "Traceback" not in server.log
    return server.log.strip().splitlines()[-1]


def test_what_keeps_workers_from_starting_is_said_once_in_their_words(models, store, tmp_path):
    bundles = shutil.copytree(models, tmp_path / "models")
    model = bundles / "second" / "2" / "model.onnx"
    model.write_bytes(model.read_bytes() + b"\0")
    flags = ("--workers", "2", "--models", str(bundles), "--redis-url", store.url)
    with server_process(tmp_path / "log", *flags, wait=False) as server:
        assert complaint(server).startswith(f"presage: cannot serve: {model}: expected SHA-256 ")
    assert server.log.count("cannot serve") == 1


@pytest.mark.slow
def test_a_port_that_another_server_has_is_named(models, store, tmp_path):
    """Of several workers it has, too: they share it among themselves only."""
    flags = ("--workers", "2", "--models", str(models), "--redis-url", store.url)
    with server_process(tmp_path / "first", *flags) as first:
        port = first.address.rpartition(":")[2]
        for count in ("1", "2"):
            more = ("--workers", count, "--models", str(models), "--redis-url", store.url, "--port", port)
            with server_process(tmp_path / "second", *more, wait=False) as second:
                assert complaint(second).startswith(
                    f"presage: cannot serve: port: cannot listen on 127.0.0.1:{port}; is it taken"
                )


@pytest.mark.slow
@pytest.mark.parametrize("failing", ["always", "after the first time"])
async def test_a_worker_that_keeps_dying_at_its_start_ends_the_server_unless_others_serve(
    models, store, tmp_path, failing, unused_tcp_port
):
    """The file that Python loads first ends every worker, or those that come once there is a mark."""
    mark = tmp_path / "mark"
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        f"if 'presage_server.workers' in sys.orig_argv and os.path.exists({str(mark)!r}):\n"
        "    os._exit(7)\n"
    )
    flags = ("--models", str(models), "--redis-url", store.url, "--metrics-port", str(unused_tcp_port))
    if failing == "always":
        mark.touch()
    start = server_process(
        tmp_path / "log", "--workers", "2", *flags, wait=failing != "always", PYTHONPATH=str(tmp_path)
    )
    with start as server:
        if failing == "always":
            assert re.search(r"cannot serve: worker \d ended with code 7 before it served", complaint(server))
            return
        mark.touch()
        victim, other = workers_of(server)
        os.kill(victim, signal.SIGKILL)

        async def tried_often() -> bool:
            return server.log.count("is tried again: worker") >= 6

        await until(tried_often)
        assert workers_of(server) == [other]
        async with channels(server.address, 4) as opened:
            await asyncio.gather(*(stub_of(channel).Score(pb.ScoreRequest(user_id="u")) for channel in opened))
        mark.unlink()

        async def two_serve() -> bool:
            return await metric(unused_tcp_port, "presage_workers") == 2

        await until(two_serve)


def test_the_supervisor_runs_neither_grpc_nor_a_model(models, store, tmp_path):
    flags = ("--workers", "2", "--models", str(models), "--redis-url", store.url)
    with server_process(tmp_path / "log", *flags) as server:
        threads = {path.joinpath("comm").read_text().strip() for path in Path(f"/proc/{server.pid}/task").iterdir()}
        maps = Path(f"/proc/{server.pid}/maps").read_text()
        maps_of_worker = Path(f"/proc/{workers_of(server)[0]}/maps").read_text()
    assert [name for name in threads if re.match("grpc|event_engine|lifeguard|iou", name)] == []
    for library in ("onnxruntime", "uvloop"):
        assert library in maps_of_worker
        assert library not in maps
