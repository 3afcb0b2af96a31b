"""The C++ programs, where they can be built."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest
import redis

from benchmarks.rig.build import build_program
from benchmarks.rig.command import MissingRequirementError
from benchmarks.rig.load import Calls, pack_call, run_load
from benchmarks.rig.serving import serving_process


@pytest.fixture(autouse=True)
def _built():
    try:
        for name in ("load", "delay"):
            build_program(name)
    except MissingRequirementError as error:
        pytest.skip(str(error))


@pytest.fixture
def calls(tmp_path):
    file = tmp_path / "calls"
    file.write_bytes(b"".join(pack_call(0, bytes([number])) for number in range(4)))
    return Calls(file, ["/test.Service/Method"])


@contextmanager
def served(method):
    """Serve a method of bytes on four threads."""
    handlers = {"Method": grpc.unary_unary_rpc_method_handler(method)}
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_registered_method_handlers("test.Service", handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@pytest.fixture
def proxied(short_directory):
    """Start a delaying proxy in front of a unix socket, on which a function talks to each connection; returns its port."""
    socket_path = short_directory / "far.sock"
    socket_path.unlink(missing_ok=True)

    @contextmanager
    def proxy(talk, round_trip_us):
        with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor(1) as pool:
            listener.bind(str(socket_path))
            listener.listen()
            talking = pool.submit(lambda: talk(listener.accept()[0]))
            command = (str(build_program("delay")), "--socket", str(socket_path), "--round-trip-us", str(round_trip_us))
            with serving_process(command) as (address, _):
                yield int(address.rpartition(":")[2])
                talking.result(10)

    return proxy


def test_calls_go_in_turn_with_their_deadline(calls):
    seen = []

    def method(request, context):
        seen.append((request, context.time_remaining()))
        return b""

    with served(method) as address:
        outcome = run_load(address, calls, in_flight=2, seconds=0.2, warm_up_seconds=0.0, timeout_ms=700)

    assert outcome.ok.calls > 10
    assert outcome.errors == 0
    assert {request for request, _ in seen} == {bytes([number]) for number in range(4)}
    assert all(0.0 < remaining <= 0.7 for _, remaining in seen)


def test_a_call_without_a_deadline_has_none(calls):
    seen = []
    with served(lambda _, context: seen.append(context.time_remaining()) or b"") as address:
        run_load(address, calls, seconds=0.1, warm_up_seconds=0.0, timeout_ms=0)

    assert all(remaining is None or remaining > 1e9 for remaining in seen)


def test_calls_that_succeed_after_their_deadline_are_late(calls):
    def method(_request, _context):
        time.sleep(0.05)
        return b""

    with served(method) as address:
        outcome = run_load(address, calls, seconds=0.2, warm_up_seconds=0.0, timeout_ms=20)

    assert outcome.ok.calls == 0
    assert outcome.of(grpc.StatusCode.DEADLINE_EXCEEDED.value[0]).calls == outcome.errors > 0


def test_bursts_are_sent_at_once_and_one_after_the_other(calls):
    times, lock = [], threading.Lock()

    def method(request, _context):
        with lock:
            times.append(time.monotonic())
        return request

    with served(method) as address:
        outcome = run_load(address, calls, burst=30, bursts=3, pause_seconds=0.3, connections=5)
    times.sort()

    assert outcome.ok.calls == len(times) == 90
    assert times[30] - times[29] > 0.25 < times[60] - times[59]


def test_at_a_constant_rate_calls_come_at_that_rate(calls):
    with served(lambda request, _: request) as address:
        outcome = run_load(address, calls, rate=200.0, seconds=0.5, warm_up_seconds=0.0, connections=2)

    assert outcome.ok.calls == pytest.approx(100, abs=5)
    assert outcome.send_lag_p99_us >= 0


def test_a_proxy_makes_each_round_trip_longer(store):
    path = store.url.removeprefix("unix://")
    command = (str(build_program("delay")), "--socket", path, "--round-trip-us", "20000")
    with serving_process(command) as (address, _), redis.Redis.from_url(f"redis://{address}") as client:
        client.ping()
        began = time.perf_counter()
        for _ in range(5):
            client.ping()

    assert time.perf_counter() - began >= 5 * 0.02


def test_a_proxy_has_room_for_many_round_trips_at_once(store):
    path = store.url.removeprefix("unix://")
    command = (str(build_program("delay")), "--socket", path, "--round-trip-us", "200000")
    with serving_process(command) as (address, _), redis.Redis.from_url(f"redis://{address}") as client:
        pipeline = client.pipeline(transaction=False)
        for number in range(200):
            pipeline.set(f"key-{number}", bytes(50_000))
            pipeline.get(f"key-{number}")
        client.ping()
        began = time.perf_counter()
        replies = pipeline.execute()

    assert set(map(len, replies[1::2])) == {50_000}
    assert 0.2 <= time.perf_counter() - began < 5.0


def test_a_proxy_passes_on_the_end_of_a_connection(proxied):
    def talk(far):
        with far:
            received = b""
            while part := far.recv(1_000):
                received += part
            assert received == b"question"
            far.sendall(b"answer")

    with proxied(talk, 10_000) as port, socket.create_connection(("127.0.0.1", port)) as near:
        near.sendall(b"question")
        near.shutdown(socket.SHUT_WR)
        received = b""
        while part := near.recv(1_000):
            received += part

    assert received == b"answer"
