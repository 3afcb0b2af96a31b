"""``python -m benchmarks.soak --minutes 60``: mixed load for an hour at a part of what the server can do.

First the saturation is measured in a closed loop; then calls come at a constant rate of a share of it, one event to four scores,
spread over many visitors. In every interval the latencies are recorded, the server's memory, descriptors and threads, and what the
store did: rewrites of its append-only file, forks, waiting fsyncs, and the slow operations that its latency monitor saw. Prints a
summary, and with ``--to`` writes the samples as JSON and a plot as SVG. Ctrl-C ends it early, with the samples so far.

``--store-option NAME=VALUE`` changes the store's configuration, to compare settings, as in ``auto-aof-rewrite-percentage=0``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import redis
from rich.console import Console

from benchmarks.charts.plots import soak_plot
from benchmarks.rig.command import FAILED, run_benchmark
from benchmarks.rig.load import Outcome, load_command, outcome_of, run_load
from benchmarks.rig.rig import Rig, open_rig
from benchmarks.soak.samples import MachineWatch, Sample, StoreWatch, print_summary, take_sample

__all__ = ["main"]

_SCENARIO = "mixed_1_4"
_CONNECTIONS = 4


def main(arguments: list[str] | None = None) -> int:
    """Load, and print; 1 if a call failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--share", type=float, default=0.6, help="of the calls a second that the server can answer")
    parser.add_argument("--transport", default="native")
    parser.add_argument("--visitors", type=int, default=100_000)
    parser.add_argument("--report-seconds", type=float, default=1.0, help="length of an interval")
    parser.add_argument("--stream-max-events", default="1000", help="of the server; the store's memory is bounded then")
    parser.add_argument("--store-option", action="append", default=[], type=_store_option, metavar="NAME=VALUE")
    parser.add_argument("--to", type=Path, help="a folder for soak.json and soak.svg")
    given = parser.parse_args(arguments)
    return run_benchmark("soak", lambda console: _run(given, console))


def _store_option(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value


def _run(given: argparse.Namespace, console: Console) -> int:
    with open_rig(given.visitors) as rig:
        samples, whole, rate = _soak(given, rig, console)
    if not samples:
        raise RuntimeError("ended before the first interval")
    errors = sum(sample.errors for sample in samples)
    console.print(
        f"{samples[-1].minutes:.1f} minutes of {_SCENARIO} at {rate:,.0f} calls/s, {given.share:.0%} of saturation; store options: "
        f"{dict(given.store_option) or 'as of presage serve'}"
    )
    console.print(
        f"calls answered: {sum(sample.per_second * given.report_seconds for sample in samples):,.0f}; errors: {errors:,}"
    )
    if whole is not None:
        latency = whole.ok
        console.print(
            f"all calls: p50 {latency.p50_us:,.0f}, p99 {latency.p99_us:,.0f}, p99.9 {latency.p999_us:,.0f}, "
            f"slowest {latency.max_us:,.0f} µs"
        )
    print_summary(samples, console)
    if given.to:
        given.to.mkdir(parents=True, exist_ok=True)
        records = [asdict(sample) for sample in samples]
        (given.to / "soak.json").write_text(json.dumps(records, indent=1) + "\n")
        (given.to / "soak.svg").write_text(soak_plot(records))
    return FAILED if errors else 0


def _soak(given: argparse.Namespace, rig: Rig, console: Console) -> tuple[list[Sample], Outcome | None, float]:
    """Make the load; returns its samples, the outcome of all calls if it was not stopped early, and the calls a second."""
    url = rig.start_store(options=dict(given.store_option))
    flags = ("--metrics-port", "0", "--transport", given.transport, "--stream-max-events", given.stream_max_events)
    server = rig.start_presage(url, *flags)
    calls = rig.write_calls(_SCENARIO)
    shape = {"in_flight": 64, "connections": _CONNECTIONS, "seconds": 3.0}
    rate = given.share * median(run_load(server.address, calls, **shape).per_second for _ in range(3))
    words = load_command(
        server.address,
        calls,
        connections=_CONNECTIONS,
        rate=rate,
        seconds=60 * given.minutes,
        report_seconds=given.report_seconds,
    )
    samples: list[Sample] = []
    whole: Outcome | None = None
    with ExitStack() as stack:
        status = stack.enter_context(console.status("soaking"))
        store = StoreWatch(stack.enter_context(redis.Redis.from_url(url)))
        process = stack.enter_context(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
        stack.callback(process.terminate)
        with suppress(KeyboardInterrupt):
            machine = MachineWatch((server.pid, server.store_pid, process.pid))
            for outcome, sample in _samples(process, server.pid, lambda: store.read() | machine.read(), status.update):
                if outcome.is_whole:
                    whole = outcome
                else:
                    samples.append(sample)
    return samples, whole, rate


def _samples(
    process: subprocess.Popen[str], pid: int, read: Callable[[], dict[str, Any]], on_progress: Callable[[str], object]
) -> Iterator[tuple[Outcome, Sample]]:
    """Read the generator's lines, and at each of them the server and, with ``read``, all else."""
    assert process.stdout is not None
    began = time.monotonic()
    for line in process.stdout:
        outcome = outcome_of(line)
        sample = take_sample(outcome, pid, began, read())
        memory = f"{sample.resident_bytes / 1e6:,.1f} MB"
        on_progress(f"{sample.minutes:.1f} min: p99.9 {sample.p999_us:,.0f} µs, {memory}, {sample.errors} errors")
        yield outcome, sample


if __name__ == "__main__":
    sys.exit(main())
