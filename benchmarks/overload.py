"""Three times the calls that a server can answer: ``python -m benchmarks.overload``.

In each round the saturation is measured in a closed loop, then what calls take at half of it. Then calls come at a multiple of
it, while the health service is asked again and again; and at last at half of it once more, until they take what they took before.
Prints medians of the rounds; latencies count from when a call was due.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rich.console import Console

from benchmarks.rig.calls import write_calls
from benchmarks.rig.load import Outcome, build_load, run_load
from benchmarks.rig.serving import local_store, presage_process
from benchmarks.rig.visitors import fill_store

__all__ = ["Health", "Round", "main", "seconds_until_normal"]

_SCENARIO = "score"
_RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
_CALM_SHARE = 0.5
_WINDOW_SECONDS = 0.25
_WINDOWS = 12
_CONNECTIONS = 8
_HEALTH_SECONDS = 0.05


@dataclass(slots=True)
class Health:
    """What the health service said meanwhile."""

    asked: int = 0
    serving: int = 0
    slowest_us: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """What one round showed; times in microseconds unless named otherwise."""

    saturation_per_second: float
    offered_per_second: float
    accepted_per_second: float
    calm_p99_us: float
    accepted_p50_us: float
    accepted_p99_us: float
    refused_per_second: float
    refused_p50_us: float
    refused_p99_us: float
    otherwise: int
    """Calls that were neither answered nor refused with RESOURCE_EXHAUSTED."""
    seconds_until_normal: float
    """From the end of the overload; infinite if it was not seen."""
    health: Health = field(default_factory=Health)


def main(arguments: list[str] | None = None) -> int:
    """Load, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overload")
    parser.add_argument("--times", type=float, default=3.0, help="the saturation")
    parser.add_argument("--transport", default="native")
    parser.add_argument("--io-threads", default="2", help="of the server; one carries 75,000 calls a second")
    parser.add_argument("--visitors", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--to", type=Path, help="a file for the rounds, as JSON")
    given = parser.parse_args(arguments)
    console = Console()
    try:
        build_load()
    except RuntimeError as error:
        console.print(f"overload: {error}")
        return 0
    rounds = list(_rounds(given, console))
    for name in asdict(rounds[0]):
        if name != "health":
            console.print(f"{name:24} {median(getattr(one, name) for one in rounds):12,.1f}")
    console.print(
        f"{'health':24} asked {sum(one.health.asked for one in rounds)}, SERVING {sum(one.health.serving for one in rounds)}, "
        f"slowest {max(one.health.slowest_us for one in rounds):,.0f} µs"
    )
    if given.to:
        given.to.parent.mkdir(parents=True, exist_ok=True)
        given.to.write_text(json.dumps([asdict(one) for one in rounds], indent=1) + "\n")
    return 0


def seconds_until_normal(windows: Sequence[Outcome], calm_p99_us: float) -> float:
    """Tell when calls take what they took before, at most twice as long and all of them answered.

    Args:
        windows: Outcomes of _WINDOW_SECONDS each, one after the other.
        calm_p99_us: What they took before.
    """
    for number, window in enumerate(windows):
        if window.ok.calls and not window.errors and window.ok.p99_us <= 2 * calm_p99_us:
            return number * _WINDOW_SECONDS
    return float("inf")


def _rounds(given: argparse.Namespace, console: Console) -> Iterator[Round]:
    now = time.time_ns() // 1_000
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="presage-overload-")))
        url = stack.enter_context(local_store())
        fill_store(url, given.visitors, now)
        calls = folder / _SCENARIO
        paths = write_calls(_SCENARIO, calls, visitors=given.visitors, now_unix_micros=now)
        address, _ = stack.enter_context(
            presage_process(url, "--transport", given.transport, "--io-threads", given.io_threads)
        )
        with console.status("loading") as status:
            for number in range(given.rounds):
                status.update(f"round {number + 1} of {given.rounds}")
                yield _round(given, address, paths, calls)


def _round(given: argparse.Namespace, address: str, paths: Sequence[str], calls: Path) -> Round:
    def load(rate: float, seconds: float, warm_up_seconds: float) -> Outcome:
        return run_load(
            address,
            paths,
            calls,
            rate=rate,
            connections=_CONNECTIONS,
            seconds=seconds,
            warm_up_seconds=warm_up_seconds,
        )

    saturation = run_load(address, paths, calls, in_flight=64, connections=4, seconds=2.0).per_second
    calm = load(_CALM_SHARE * saturation, 2.0, 0.5)
    with _asked_for_health(address) as health:
        over = load(given.times * saturation, given.seconds, 1.0)
    # One window after the other, each a run of its own: what is left over from the overload meets the first one.
    windows = [load(_CALM_SHARE * saturation, _WINDOW_SECONDS, 0.0) for _ in range(_WINDOWS)]
    refused = over.statuses.get(_RESOURCE_EXHAUSTED)
    return Round(
        saturation_per_second=saturation,
        offered_per_second=given.times * saturation,
        accepted_per_second=over.per_second,
        calm_p99_us=calm.ok.p99_us,
        accepted_p50_us=over.ok.p50_us,
        accepted_p99_us=over.ok.p99_us,
        refused_per_second=refused.calls / over.seconds if refused else 0.0,
        refused_p50_us=refused.p50_us if refused else 0.0,
        refused_p99_us=refused.p99_us if refused else 0.0,
        otherwise=over.errors - (refused.calls if refused else 0),
        seconds_until_normal=seconds_until_normal(windows, calm.ok.p99_us),
        health=health,
    )


@contextmanager
def _asked_for_health(address: str) -> Iterator[Health]:
    """Ask the health service for as long as the context lasts."""
    health, over = Health(), threading.Event()

    def ask() -> None:
        with grpc.insecure_channel(address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while not over.wait(_HEALTH_SECONDS):
                began = time.perf_counter()
                try:
                    answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1.0)
                    health.serving += answer.status == health_pb2.HealthCheckResponse.SERVING
                except grpc.RpcError:
                    pass
                health.asked += 1
                health.slowest_us = max(health.slowest_us, (time.perf_counter() - began) * 1e6)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield health
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
