"""Runs the load generator, ``programs/load.cc``: one load, and its outcome."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rig.build import build_program

__all__ = [
    "WARM_UP_SECONDS",
    "Calls",
    "Latency",
    "Outcome",
    "load_command",
    "outcome_of",
    "pack_call",
    "run_load",
]

WARM_UP_SECONDS = 0.5
"""How long calls are made before they are counted."""

_NONE = {"calls": 0, "p50_us": 0.0, "p90_us": 0.0, "p99_us": 0.0, "p999_us": 0.0, "max_us": 0.0}


@dataclass(frozen=True, slots=True)
class Calls:
    """A file of packed calls, which are made in turn, over and over."""

    file: Path
    paths: Sequence[str]
    """Of their methods, in the order of their numbers in the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Latency:
    """How long calls took that ended with one status, in microseconds."""

    calls: int
    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float
    max_us: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The outcome of a load."""

    seconds: float
    """How long calls were counted."""
    statuses: Mapping[int, Latency]
    """By gRPC status, -1 where a stream ended without one; a success after the deadline counts as DEADLINE_EXCEEDED.
    For HTTP/1.1 by HTTP's status, but 0 for 200."""
    missed: int
    """Calls that were due and not sent, because too many were unanswered."""
    reconnections: int = 0
    """How often the server closed a connection; the calls on it count as UNAVAILABLE."""
    is_whole: bool = True
    """Whether it is of a whole load, not of one interval."""
    send_lag_p99_us: float = 0.0
    """How much later than due calls were sent at a constant rate: large where the generator itself is the bottleneck."""

    def of(self, status: int) -> Latency:
        """Find the calls that ended with a status; all zeros if there are none."""
        return self.statuses.get(status, Latency(**_NONE))

    @property
    def ok(self) -> Latency:
        """The calls that succeeded."""
        return self.of(0)

    @property
    def errors(self) -> int:
        """All others, and those that were never sent."""
        return sum(latency.calls for status, latency in self.statuses.items() if status) + self.missed

    @property
    def per_second(self) -> float:
        """Calls that succeeded, in a second."""
        return self.ok.calls / self.seconds


def pack_call(path: int, body: bytes) -> bytes:
    """Pack a call as a file of calls holds it: the number of its method's path, and a protobuf message, or JSON."""
    return struct.pack("<BI", path, len(body)) + body


def load_command(address: str, calls: Calls, **options: Any) -> list[str]:
    """Make the generator's command line; the options are those of ``programs/load.cc``, with underscores."""
    host, _, port = address.rpartition(":")
    pairs = {"host": host, "port": port, "calls": calls.file, **options}
    words = [word for name, value in pairs.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return [str(build_program("load")), *words, *(word for path in calls.paths for word in ("--path", path))]


def run_load(
    address: str, calls: Calls, *, seconds: float = 3.0, warm_up_seconds: float = WARM_UP_SECONDS, **options: Any
) -> Outcome:
    """Load a server once.

    Args:
        address: HOST:PORT.
        calls: What to send.
        seconds: How long calls are counted.
        warm_up_seconds: How long they are made before that.
        options: Further options of ``programs/load.cc``, such as ``in_flight`` and ``connections``, or ``rate``.

    Raises:
        RuntimeError: The load cannot be made; the message says why.
    """
    words = load_command(address, calls, seconds=seconds, warm_up_seconds=warm_up_seconds, **options)
    done = subprocess.run(words, capture_output=True, text=True, timeout=seconds + warm_up_seconds + 60, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or f"the load generator ended with {done.returncode}")
    return outcome_of(done.stdout)


def outcome_of(line: str) -> Outcome:
    """Read a line that the generator printed."""
    printed = json.loads(line)
    statuses = {int(status): Latency(**latency) for status, latency in printed["statuses"].items()}
    return Outcome(**printed | {"statuses": statuses})
