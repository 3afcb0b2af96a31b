"""What keeping the garbage collector out of the way wins: two servers that differ in nothing else, under load in turns.

``python -m benchmarks.gc_pauses``; needs h2load (Debian: nghttp2-client). One visitor is enough: the collector does not see whose
calls they are.
"""

from __future__ import annotations

import asyncio
import gc
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import numpy as np
import uvloop

from benchmarks.rig.command import MISSING
from benchmarks.rig.serving import local_store
from presage.v1 import scoring_service_pb2
from presage_server.app import running
from presage_server.settings import Settings
from presage_server.telemetry.interpreter import exported_pauses, tune_interpreter
from presage_server.telemetry.metrics import Metrics

__all__ = ["main"]

ROUNDS = 7
LOADS = {1: 5_000, 16: 20_000}
"""Calls of a round by the number in flight."""
PERCENTILES = (50, 99, 99.9)
KINDS = {
    "untouched": None,
    "frozen, 100": (100, 20, 100),
    "frozen, 250": (250, 20, 100),
    "frozen, 700": (700, 10, 10),
    "frozen, 2000": (2_000, 20, 100),
    "frozen, 50000": (50_000, 20, 100),
}


def main() -> int:
    """Measure, and print a table."""
    if not shutil.which("h2load"):
        print("this benchmark needs h2load (Debian: apt-get install nghttp2-client)", file=sys.stderr)
        return MISSING
    micros: dict[tuple[int, str], list[list[float]]] = {(load, kind): [] for load in LOADS for kind in KINDS}
    pauses: dict[str, list[str]] = {}
    with local_store() as url, ExitStack() as stack:
        addresses = {kind: stack.enter_context(served(url, kind, pauses)) for kind in KINDS}
        for number in range(ROUNDS + 1):
            for kind in KINDS if number % 2 else reversed(KINDS):
                for load, calls in LOADS.items():
                    found = call_micros(addresses[kind], calls, load)
                    if number:  # the first one warms up
                        micros[load, kind].append([float(np.percentile(found, rank)) for rank in PERCENTILES])
    print(f"Score, median of {ROUNDS} rounds in turns, microseconds")
    print("in flight  server         " + "".join(f"{f'p{rank:g}':>8}" for rank in PERCENTILES))
    medians = {key: [median(column) for column in zip(*rounds, strict=True)] for key, rounds in micros.items()}
    for (load, kind), row in medians.items():
        print(f"{load:>9}  {kind:<14}" + "".join(f"{value:>8.0f}" for value in row))
    print("over untouched")
    for (load, kind), row in medians.items():
        ratios = [mine / its for mine, its in zip(row, medians[load, "untouched"], strict=True)]
        print(f"{load:>9}  {kind:<14}" + "".join(f"{ratio:>8.2f}" for ratio in ratios))
    for kind in KINDS:
        print(f"pauses, {kind}: {'; '.join(pauses[kind])}")
    return 0


@contextmanager
def served(url: str, kind: str, pauses: dict[str, list[str]]) -> Iterator[str]:
    """Run a server of a kind; yields HOST:PORT, and notes its pauses at the end."""
    command = (sys.executable, "-m", "benchmarks.gc_pauses", kind, url)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
            process.terminate()
            pauses[kind] = process.stdout.read().splitlines()
        finally:
            process.kill()


def call_micros(address: str, calls: int, in_flight: int) -> list[int]:
    """Call Score a number of times, with a number in flight on one connection; returns the time of each call."""
    request = scoring_service_pb2.ScoreRequest(user_id="visitor").SerializeToString()
    with tempfile.TemporaryDirectory(prefix="presage-bench-") as folder:
        body, log = Path(folder, "body"), Path(folder, "log")
        body.write_bytes(b"\0" + len(request).to_bytes(4, "big") + request)
        command = ["h2load", "-n", str(calls), "-c", "1", "-m", str(in_flight), "-d", str(body)]
        command += ["-H", "content-type: application/grpc", "-H", "te: trailers", "--log-file", str(log)]
        url = f"http://{address}/presage.v1.ScoringService/Score"
        subprocess.run([*command, url], capture_output=True, check=True, timeout=120)
        return [int(line.split()[2]) for line in log.read_text().splitlines()]


async def serve(kind: str, url: str) -> None:
    """Run the server of a kind: print where it serves and, at the end, its pauses."""
    stop, metrics = asyncio.Event(), Metrics()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    def tame() -> None:
        if (thresholds := KINDS[kind]) is not None:
            tune_interpreter()
            gc.set_threshold(*thresholds)

    async with running(Settings(port=0, redis_url=url), metrics, warmed_up=tame) as address:
        with exported_pauses(metrics.registry):
            print(address, flush=True)
            await stop.wait()
            name = "presage_gc_pause_seconds"
            for generation in "012":
                labels = {"generation": generation}
                count, seconds = (
                    metrics.registry.get_sample_value(f"{name}_{part}", labels) for part in ("count", "sum")
                )
                print(f"generation {generation}: {count:.0f}, {1e3 * seconds:.1f} ms in all")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        uvloop.run(serve(*sys.argv[1:]))
    else:
        sys.exit(main())
