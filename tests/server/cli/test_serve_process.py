"""``presage serve`` as a process: its ready line, its signals and its errors."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import sys

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from redis.asyncio import Redis

from presage.v1 import scoring_service_pb2 as pb
from presage.v1 import scoring_service_pb2_grpc
from support.proxies import silent_store
from support.running_server import GENEROUS_SECONDS, PATIENT, gone, server_process, track
from support.transports import native_first
from support.worker_processes import children

pytestmark = [native_first, pytest.mark.usefixtures("each_transport")]  # both behave the same here

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def startup_error(process) -> tuple[int, str, str]:
    """Wait for a server that cannot start; return its exit code, its stdout and the last line of its log."""
    code, stdout = process.wait()
    return code, stdout, process.log.strip().splitlines()[-1]


@linux_only
async def test_sigterm_lets_calls_in_flight_finish_and_stops_the_store(models, tmp_path):
    flags = ("--models", str(models), "--data-dir", str(tmp_path / "data"), "--timeout-ms", "30000", *PATIENT)
    with server_process(tmp_path / "log", *flags) as server:
        assert re.fullmatch(r"127\.0\.0\.1:\d+", server.address)
        (store_pid,) = children(server.pid)
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = scoring_service_pb2_grpc.ScoringServiceStub(channel)
            await stub.TrackEvent(track("u", "first"))
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            seen = [(await watch.read()).status]

            os.kill(store_pid, signal.SIGSTOP)
            calls = [stub.TrackEvent(track(f"u{number % 7}", f"event-{number}")) for number in range(100)]
            calls += [stub.GetFeatures(pb.GetFeaturesRequest(user_id="u")) for _ in range(100)]
            tasks = [asyncio.ensure_future(call) for call in calls]
            # Calls of one method start in order: once a later one is rejected, all of them have started.
            for late in (stub.TrackEvent(track("")), stub.GetFeatures(pb.GetFeaturesRequest())):
                with pytest.raises(grpc.aio.AioRpcError, match="INVALID_ARGUMENT"):
                    await late
            server.signal(signal.SIGTERM)
            seen.append((await watch.read()).status)
            watch.cancel()
            assert [task for task in tasks if task.done()] == []
            os.kill(store_pid, signal.SIGCONT)
            answers = await asyncio.gather(*tasks)
        assert seen == [health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING]
        assert [answer.duplicate for answer in answers[:100]] == [False] * 100
        assert server.wait() == (0, "")
        assert gone(store_pid)


@linux_only
def test_a_killed_server_leaves_no_store_behind(models, tmp_path, short_directory):
    """Only the folder of its socket remains, here where the test cleans up."""
    flags = ("--models", str(models), "--data-dir", str(tmp_path / "data"))
    with server_process(tmp_path / "log", *flags, TMPDIR=str(short_directory)) as server:
        (store_pid,) = children(server.pid)
        server.signal(signal.SIGKILL)
        assert server.wait() == (-signal.SIGKILL, "")
        assert gone(store_pid)


@linux_only
def test_a_data_folder_stays_locked_until_its_store_has_ended_too(models, tmp_path, short_directory):
    """The store of a killed server may hang, and later write into the folder that the next server uses."""
    flags = ("--models", str(models), "--data-dir", str(tmp_path / "data"))
    with server_process(tmp_path / "first", *flags, TMPDIR=str(short_directory)) as first:
        (store_pid,) = children(first.pid)
        os.kill(store_pid, signal.SIGSTOP)
        try:
            first.signal(signal.SIGKILL)
            assert first.wait() == (-signal.SIGKILL, "")
            with server_process(tmp_path / "second", *flags, wait=False) as second:
                code, _, last = startup_error(second)
            assert code == 2
            assert "is in use by another server" in last
        finally:
            os.kill(store_pid, signal.SIGCONT)
        assert gone(store_pid)
    with server_process(tmp_path / "third", *flags):
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
async def test_a_server_that_waits_for_a_silent_store_stops_at_once(models, tmp_path, number):
    """The store accepts the connection and never responds."""
    async with silent_store() as (url, asked):
        with server_process(tmp_path / "log", "--models", str(models), "--redis-url", url, wait=False) as server:
            await asyncio.wait_for(asked.wait(), GENEROUS_SECONDS)
            assert server.still_running()
            server.signal(number)
            assert await asyncio.to_thread(server.wait) == (0, "")
        assert "stopped at once" in server.log
        assert "Traceback" not in server.log


@pytest.mark.parametrize("delay", ["0", "3600"], ids=["while calls finish", "during the delay"])
async def test_a_second_sigterm_ends_a_drain_at_once(store, models, tmp_path, delay):
    """A call may wait a minute for a store that hangs."""
    flags = ("--models", str(models), "--redis-url", store.url, "--timeout-ms", "600000", *PATIENT)
    patience = ("--drain-seconds", "3600", "--drain-delay-seconds", delay)
    with server_process(tmp_path / "log", *flags, *patience) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
            with store.frozen():
                call = asyncio.ensure_future(scoring_service_pb2_grpc.ScoringServiceStub(channel).TrackEvent(track()))
                health = health_pb2_grpc.HealthStub(channel)
                await health.Check(health_pb2.HealthCheckRequest())  # behind the call: it has arrived by now
                server.signal(signal.SIGTERM)
                assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
                watch.cancel()
                assert (call.done(), server.still_running()) == (False, True)
                server.signal(signal.SIGTERM)
                assert await asyncio.to_thread(server.wait) == (0, "")
            (failed,) = await asyncio.gather(call, return_exceptions=True)
            assert failed.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        assert "stopped at once" in server.log
        assert "Traceback" not in server.log


async def test_events_survive_a_restart_and_variables_replace_flags(models, tmp_path):
    """The second server gets as variables what the first one got as flags."""
    request = pb.ScoreRequest(user_id="u", as_of_unix_micros=1_900_000_000_000_000, include_features=True)
    predictions = []
    flags = ("--models", str(models), "--data-dir", str(tmp_path / "data"), "--default-model", "second")
    variables = {
        "PRESAGE_MODELS": str(models),
        "PRESAGE_DATA_DIR": str(tmp_path / "data"),
        "PRESAGE_DEFAULT_MODEL": "second",
        "PRESAGE_REFLECTION": "false",
        "PRESAGE_PORT": "0",
    }
    for arguments, environment in ((flags, {}), ((), variables)):
        with server_process(tmp_path / "log", *arguments, **environment) as server:
            async with grpc.aio.insecure_channel(server.address) as channel:
                stub = scoring_service_pb2_grpc.ScoringServiceStub(channel)
                if not predictions:
                    await stub.TrackEvent(track("u", "first"))
                predictions.append((await stub.Score(request)).prediction)
            server.signal(signal.SIGINT)
            assert server.wait() == (0, "")
    before, after = predictions
    assert before == after
    assert (before.cold_start, before.model) == (False, "second")


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_the_embedded_store_syncs_as_the_settings_say(models, tmp_path, workers):
    flags = ("--models", str(models), "--data-dir", str(tmp_path / "data"), "--workers", workers)
    with server_process(tmp_path / "log", *flags, "--store-fsync", "always") as server:
        (url,) = set(re.findall(r"store: embedded .*?(unix://[^,]+), data in", server.log))
        async with Redis.from_url(url) as redis:
            assert await redis.config_get("appendfsync") == {"appendfsync": "always"}


def test_a_port_in_use_is_named(models, store, tmp_path):
    # With SO_REUSEPORT, as another server binds it: unless that is rejected, each would get half of the calls.
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        port = str(taken.getsockname()[1])
        flags = ("--models", str(models), "--redis-url", store.url, "--port", port)
        with server_process(tmp_path / "log", *flags, wait=False) as server:
            expected = f"presage: cannot serve: port: cannot listen on 127.0.0.1:{port}; is it taken, or"
            code, stdout, last = startup_error(server)
    assert (code, stdout) == (2, "")
    assert last.startswith(expected)


def test_a_second_server_on_one_data_folder_does_not_start(models, tmp_path):
    flags = ("--models", str(models), "--data-dir", str(tmp_path / "data"))
    with (
        server_process(tmp_path / "first", *flags),
        server_process(tmp_path / "second", *flags, wait=False) as second,
    ):
        code, stdout, last = startup_error(second)
    assert (code, stdout) == (2, "")
    assert last.startswith(f"presage: cannot serve: data_dir: {tmp_path / 'data'} is in use by another server")


def test_a_tampered_bundle_is_named_with_the_reason(models, store, tmp_path):
    bundles = shutil.copytree(models, tmp_path / "models")
    model = bundles / "second" / "2" / "model.onnx"
    model.write_bytes(model.read_bytes() + b"\0")
    with server_process(tmp_path / "log", "--models", str(bundles), "--redis-url", store.url, wait=False) as server:
        code, stdout, last = startup_error(server)
    assert (code, stdout) == (2, "")
    assert last.startswith(f"presage: cannot serve: {model}: expected SHA-256 ")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--timeout-ms", "0"), "timeout_ms: expected 1 to 600000, got 0"),
        (("--max-in-flight", "400"), "max_in_flight: this setting was removed, delete --max-in-flight or PRESAGE_"),
        (("--redis-url", "unix:///nowhere/redis.sock"), "redis_url: the store cannot be used: "),
    ],
    ids=["setting", "removed setting", "store"],
)
def test_a_startup_error_is_one_line(models, tmp_path, flags, message):
    with server_process(tmp_path / "log", "--models", str(models), *flags, wait=False) as server:
        code, stdout, last = startup_error(server)
    assert (code, stdout) == (2, "")
    assert last.startswith(f"presage: cannot serve: {message}")
    assert "Traceback" not in server.log


def test_a_misspelt_variable_is_a_startup_error(models, tmp_path):
    with server_process(tmp_path / "log", "--models", str(models), wait=False, PRESAGE_DRAIN_SECOND="1") as server:
        code, stdout, last = startup_error(server)
    assert (code, stdout) == (2, "")
    message = "PRESAGE_DRAIN_SECOND: no setting has this variable, is PRESAGE_DRAIN_SECONDS meant?"
    assert last == f"presage: cannot serve: {message}"


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=linux_only)])
def test_the_log_level_holds_for_all_processes(models, store, tmp_path, workers):
    flags = ("--models", str(models), "--redis-url", store.url, "--workers", workers)
    with server_process(tmp_path / "log", *flags) as server:
        informed = server.log
    assert informed.count(" INFO presage_server.app: ") >= int(workers)
    assert (" worker 1: " in informed) == (workers == "2")
    with server_process(tmp_path / "log", *flags, PRESAGE_LOG_LEVEL="warning") as server:
        server.signal(signal.SIGTERM)
        assert server.wait() == (0, "")
        assert " INFO " not in server.log


async def test_calls_are_answered_during_the_delay_after_sigterm(models, tmp_path):
    """Load balancers need a moment to see NOT_SERVING; until then, every call is answered."""
    flags = ("--models", str(models), "--data-dir", str(tmp_path / "data"), "--drain-delay-seconds", "1")
    with server_process(tmp_path / "log", *flags) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = scoring_service_pb2_grpc.ScoringServiceStub(channel)
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
            server.signal(signal.SIGTERM)
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            watch.cancel()
            for number in range(20):
                await stub.TrackEvent(track("u", f"event-{number}"))
        assert server.wait() == (0, "")
