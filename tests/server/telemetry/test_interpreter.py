"""The interpreter of a process that serves: its garbage collector, its pauses, its threads."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time

import pytest
from prometheus_client import CollectorRegistry

from presage_server.telemetry.interpreter import exported_pauses

LAG = "presage_event_loop_lag_seconds"
PAUSES = "presage_gc_pause_seconds"

# Run in a process of its own: what is frozen and which threads there are is the whole process's.
SERVING = """
import asyncio, gc, json, sys, threading
from pathlib import Path
import grpc, uvloop
from presage.v1 import scoring_service_pb2 as pb
from presage.v1 import scoring_service_pb2_grpc
from presage_server.telemetry.metrics import Metrics
from presage_server.workers.serving import serve_until
from presage_server.settings import Settings
from presage_server.workers.shutdown import ShutdownSignal

calls = []

async def main():
    stop, metrics, seen = ShutdownSignal(), Metrics(), {}

    async def call(address):
        async with grpc.aio.insecure_channel(address) as channel:
            for _ in range(50):
                await scoring_service_pb2_grpc.ScoringServiceStub(channel).Score(pb.ScoreRequest(user_id="u"))
        seen["threads"] = [thread.name for thread in threading.enumerate()]
        seen["series"] = sorted(metric.name for metric in metrics.registry.collect())
        stop.drain()

    def announce(address):
        seen["frozen"], seen["thresholds"] = gc.get_freeze_count(), gc.get_threshold()
        calls.append(asyncio.create_task(call(address)))

    settings = Settings(
        port=0, metrics_port=0, redis_url=sys.argv[1], models=Path(sys.argv[2]), transport=sys.argv[3]
    )
    await serve_until(stop, settings, announce, metrics)
    print(json.dumps(seen))

uvloop.run(main())
"""


@pytest.fixture(scope="module", params=["grpcio", "native"])
def seen(request, shared_store, models):
    """What a serving process says of itself."""
    command = (sys.executable, "-c", SERVING, shared_store.url, str(models), request.param)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_what_was_there_before_the_first_call_is_frozen(seen):
    assert seen["frozen"] > 10_000
    assert seen["thresholds"][0] > 700, "the default of CPython"


def test_no_python_thread_competes_with_the_one_that_serves(seen):
    """The others wait without the interpreter's lock: grpcio's poller, the loop's executor and watch, items, the models' folder."""
    waiting = {
        "Thread-1 (_poll_wrapper)",
        "uvloop_0",
        "presage-watch",
        "presage-items",
        "presage-changes",
        "presage-reload",
    }
    assert set(seen["threads"]) <= {"MainThread", "presage-serve"} | waiting


def test_a_serving_process_exports_its_pauses(seen):
    assert {LAG, PAUSES} <= set(seen["series"])


async def test_every_pause_of_the_garbage_collector_is_counted_once():
    registry, callbacks = CollectorRegistry(), list(gc.callbacks)
    labels = {"generation": "2"}
    gc.disable()
    try:
        with exported_pauses(registry):
            before = registry.get_sample_value(f"{PAUSES}_count", labels)
            started = time.perf_counter()
            for _ in range(3):
                gc.collect()
            most = time.perf_counter() - started
        gc.collect()
    finally:
        gc.enable()
    assert gc.callbacks == callbacks, "nothing is left behind"
    assert (before, registry.get_sample_value(f"{PAUSES}_count", labels)) == (0.0, 3.0)
    assert registry.get_sample_value(f"{PAUSES}_bucket", labels | {"le": "+Inf"}) == 3.0
    assert 0 < registry.get_sample_value(f"{PAUSES}_sum", labels) <= most
    assert registry.get_sample_value(f"{PAUSES}_count", {"generation": "0"}) == 0.0


async def test_a_blocked_loop_shows_as_lag():
    registry = CollectorRegistry()
    with exported_pauses(registry):
        await asyncio.sleep(0)
        time.sleep(0.6)  # noqa: ASYNC251 - this is what must not happen in a server
        await asyncio.sleep(0.15)
    count = registry.get_sample_value(f"{LAG}_count")
    assert count >= 1
    assert count - registry.get_sample_value(f"{LAG}_bucket", {"le": "0.2"}) >= 1
