"""A command run beside live events, and stopped in every other window of them, so that the two kinds of windows can be compared."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from statistics import median

from benchmarks.rig.load import Calls, Outcome, run_load

__all__ = ["Latencies", "Run", "run_in_turns", "send_window", "send_windows"]

_WINDOW_SECONDS = 3.0
_CONNECTIONS = 8
_RESOURCE_EXHAUSTED = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Latencies:
    """The latencies of the live events, in microseconds: medians over windows of a few seconds."""

    windows: int
    calls: int
    rejected: int
    """Calls that the server rejected because it was overloaded."""
    failed: int
    """Calls that were not answered in time, or failed otherwise; whether their events count is not known."""
    p50_us: float
    p99_us: float
    worst_p99_us: float

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Latencies:
        p99s = [outcome.ok.p99_us for outcome in outcomes]
        return cls(
            windows=len(outcomes),
            calls=sum(outcome.ok.calls for outcome in outcomes),
            rejected=sum(outcome.of(_RESOURCE_EXHAUSTED).calls for outcome in outcomes),
            failed=sum(outcome.errors - outcome.of(_RESOURCE_EXHAUSTED).calls for outcome in outcomes),
            p50_us=median(outcome.ok.p50_us for outcome in outcomes),
            p99_us=median(p99s),
            worst_p99_us=max(p99s),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run of ``presage backfill``."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float
    """How long it ran, without the time for which it was stopped."""
    alone: list[Outcome]
    beside: list[Outcome]


def run_in_turns(words: Sequence[str], window: Callable[[], Outcome]) -> Run:
    """Run a command, stopped in every other window of live events: what else the machine does falls into both kinds alike."""
    alone, beside = [window()], []
    seconds = 0.0
    command = (sys.executable, "-m", "presage_server", *words)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            while process.poll() is None:
                started = time.perf_counter()
                process.send_signal(signal.SIGCONT)
                with ThreadPoolExecutor(1) as pool:
                    outcome = pool.submit(window)
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(_WINDOW_SECONDS)
                    seconds += time.perf_counter() - started
                    process.send_signal(signal.SIGSTOP)
                    beside.append(outcome.result())
                alone.append(window())
        except BaseException:
            process.kill()  # it may be stopped
            raise
        stdout, stderr = process.communicate()
    return Run(exit_code=process.returncode, stdout=stdout, stderr=stderr, seconds=seconds, alone=alone, beside=beside)


def send_window(address: str, calls: Calls, rate: float) -> Outcome:
    """Send events at a constant rate for some seconds."""
    return run_load(address, calls, seconds=_WINDOW_SECONDS, warm_up_seconds=0.0, rate=rate, connections=_CONNECTIONS)


def send_windows(address: str, calls: Calls, rate: float, goes_on: Callable[[], bool]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    while goes_on():
        outcomes.append(send_window(address, calls, rate))
    return outcomes
