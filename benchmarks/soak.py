"""Mixed load for an hour at a part of what the server can do: ``python -m benchmarks.soak --minutes 60``.

First the saturation is measured in a closed loop; then calls come at a constant rate of a share of it, one event to four scores,
spread over many visitors. Every interval the latencies, and the server's memory, descriptors and threads are noted. Prints a
summary, and with ``--to`` writes the samples as JSON and a plot as SVG. Ctrl-C ends it early, with what was seen by then.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console

from benchmarks.plots import soak_plot
from benchmarks.rig.calls import write_calls
from benchmarks.rig.load import build_load, load_command, outcome_of, run_load
from benchmarks.rig.serving import local_store, presage_process
from benchmarks.rig.visitors import fill_store

__all__ = ["Sample", "main", "slope_per_hour"]

_SCENARIO = "mixed_1_4"
_WARM_UP_SHARE = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One interval."""

    minutes: float
    """Since the load began."""
    per_second: float
    p50_us: float
    p99_us: float
    p999_us: float
    errors: int
    resident_bytes: int
    """Memory of the server's process."""
    descriptors: int
    threads: int


def main(arguments: list[str] | None = None) -> int:
    """Load, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--share", type=float, default=0.6, help="of the calls a second that the server can answer")
    parser.add_argument("--transport", default="native")
    parser.add_argument("--visitors", type=int, default=100_000)
    parser.add_argument("--report-seconds", type=float, default=10.0)
    parser.add_argument("--to", type=Path, help="a folder for soak.json and soak.svg")
    given = parser.parse_args(arguments)
    console = Console()
    try:
        build_load()
    except RuntimeError as error:
        console.print(f"soak: {error}")
        return 0
    samples, rate = _soak(given, console)
    if not samples:
        console.print("soak: ended before there was anything to see")
        return 2
    settled = [sample for sample in samples if sample.minutes >= _WARM_UP_SHARE * samples[-1].minutes]
    errors = sum(sample.errors for sample in samples)
    slope = slope_per_hour(settled)
    console.print(
        f"{samples[-1].minutes:.1f} minutes of {_SCENARIO} at {rate:,.0f} calls/s, {given.share:.0%} of saturation"
    )
    console.print(
        f"calls answered: {sum(sample.per_second * given.report_seconds for sample in samples):,.0f}; errors: {errors}"
    )
    for name in ("p50_us", "p99_us", "p999_us"):
        values = [getattr(sample, name) for sample in settled]
        console.print(f"{name}: median of the intervals {median(values):,.0f}, worst {max(values):,.0f}")
    console.print(
        f"memory: {settled[0].resident_bytes / 1e6:,.1f} MB, then {settled[-1].resident_bytes / 1e6:,.1f} MB; "
        f"{slope / 1e6:+.2f} MB/h"
    )
    for name in ("descriptors", "threads"):
        values = [getattr(sample, name) for sample in settled]
        console.print(f"{name}: {min(values)} to {max(values)}")
    if given.to:
        given.to.mkdir(parents=True, exist_ok=True)
        (given.to / "soak.json").write_text(json.dumps([asdict(sample) for sample in samples], indent=1) + "\n")
        (given.to / "soak.svg").write_text(soak_plot([asdict(sample) for sample in samples]))
    return 1 if errors else 0


def slope_per_hour(samples: Sequence[Sample]) -> float:
    """Fit a straight line to the memory; answer with its slope in bytes an hour."""
    if len(samples) < 2:
        return 0.0
    hours = [sample.minutes / 60 for sample in samples]
    return float(np.polyfit(hours, [sample.resident_bytes for sample in samples], 1)[0])


def _soak(given: argparse.Namespace, console: Console) -> tuple[list[Sample], float]:
    now = time.time_ns() // 1_000
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="presage-soak-")))
        url = stack.enter_context(local_store())
        fill_store(url, given.visitors, now)
        calls = folder / _SCENARIO
        paths = write_calls(_SCENARIO, calls, visitors=given.visitors, now_unix_micros=now)
        address, pid = stack.enter_context(
            presage_process(url, "--transport", given.transport, "--stream-max-events", "1000")
        )
        rates = [run_load(address, paths, calls, in_flight=64, connections=4, seconds=3).per_second for _ in range(3)]
        rate = given.share * median(rates)
        words = load_command(
            address,
            paths,
            calls,
            connections=4,
            rate=rate,
            seconds=60 * given.minutes,
            report_seconds=given.report_seconds,
        )
        process = stack.enter_context(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
        stack.callback(process.terminate)
        began = time.monotonic()
        samples: list[Sample] = []
        with console.status("soaking") as status, suppress(KeyboardInterrupt):
            for sample in _samples(process, pid, began, status.update):
                samples.append(sample)  # noqa: PERF402 - those before ctrl-C count
        return samples, rate


def _samples(process: subprocess.Popen[str], pid: int, began: float, tell: object) -> Iterator[Sample]:
    assert process.stdout is not None
    for line in process.stdout:
        outcome = outcome_of(line)
        status = dict(
            part.split(":", 1) for part in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in part
        )
        sample = Sample(
            minutes=(time.monotonic() - began) / 60,
            per_second=outcome.per_second,
            p50_us=outcome.ok.p50_us,
            p99_us=outcome.ok.p99_us,
            p999_us=outcome.ok.p999_us,
            errors=outcome.errors,
            resident_bytes=int(status["VmRSS"].split()[0]) * 1024,
            descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
            threads=int(status["Threads"]),
        )
        if callable(tell):
            memory = f"{sample.resident_bytes / 1e6:,.1f} MB"
            tell(f"{sample.minutes:.1f} min: p99.9 {sample.p999_us:,.0f} µs, {memory}, {sample.errors} errors")
        yield sample


if __name__ == "__main__":
    sys.exit(main())
