"""Runs ``load.cc``: one load, and what came of it."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = [
    "WARM_UP_SECONDS",
    "Latency",
    "Outcome",
    "build_load",
    "load_command",
    "outcome_of",
    "packed_call",
    "run_load",
]

WARM_UP_SECONDS = 0.5
"""How long calls are made before they are counted."""

_SOURCE = Path(__file__).with_name("load.cc")
_BUILT = _SOURCE.parent / "build" / "load"
_MISSING = "the load generator cannot be built: it needs a C++ compiler and libnghttp2 (Debian: g++ libnghttp2-dev)"


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
    """What came of a load."""

    seconds: float
    """How long calls were counted for."""
    statuses: Mapping[int, Latency]
    """By gRPC status; -1 for calls whose stream ended without one. For HTTP/1.1 by HTTP's, but 0 for 200."""
    missed: int
    """Calls that were due and not sent, because too many were unanswered."""

    @property
    def ok(self) -> Latency:
        """The calls that were answered well."""
        return self.statuses.get(0, Latency(calls=0, p50_us=0, p90_us=0, p99_us=0, p999_us=0, max_us=0))

    @property
    def errors(self) -> int:
        """All others."""
        return sum(latency.calls for status, latency in self.statuses.items() if status) + self.missed

    @property
    def per_second(self) -> float:
        """Calls answered well, in a second."""
        return self.ok.calls / self.seconds


@cache
def build_load() -> Path:
    """Build the generator if its source is newer than what was built.

    Raises:
        RuntimeError: It cannot be built; says what is missing.
    """
    if _BUILT.exists() and _BUILT.stat().st_mtime >= _SOURCE.stat().st_mtime:
        return _BUILT
    _BUILT.parent.mkdir(exist_ok=True)
    half_done = _BUILT.with_name(f"{_BUILT.name}-{os.getpid()}")  # others may be building, or running what is there
    command = (os.environ.get("CXX", "g++"), "-O2", "-std=c++20", "-o", str(half_done), str(_SOURCE), "-lnghttp2")
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise RuntimeError(_MISSING) from error
    half_done.replace(_BUILT)
    return _BUILT


def packed_call(path: int, body: bytes) -> bytes:
    """Pack a call as a file of calls holds it: which path it goes to, by number, and a protobuf message, or JSON."""
    return struct.pack("<BI", path, len(body)) + body


def load_command(
    address: str,
    paths: Sequence[str],
    calls: Path,
    *,
    protocol: str = "grpc",
    in_flight: int = 1,
    connections: int = 1,
    seconds: float = 3.0,
    warm_up_seconds: float = WARM_UP_SECONDS,
    rate: float = 0.0,
    report_seconds: float = 0.0,
) -> list[str]:
    """Make the generator's command line.

    Args:
        address: HOST:PORT.
        paths: Of the methods.
        calls: A file of packed calls, which are made in turn, over and over.
        protocol: ``grpc``, or ``http1`` for POSTs of JSON; then there have to be as many connections as calls in flight.
        in_flight: Calls at once in a closed loop.
        connections: Over how many connections.
        seconds: For how long calls are counted.
        warm_up_seconds: For how long they are made before that.
        rate: Calls a second; 0 is a closed loop.
        report_seconds: How often to print what came of it since; 0: once, at the end.
    """
    host, _, port = address.rpartition(":")
    options: dict[str, Any] = {
        "--host": host,
        "--port": port,
        "--calls": calls,
        "--protocol": protocol,
        "--connections": connections,
        "--in-flight": in_flight,
        "--seconds": seconds,
        "--warm-up-seconds": warm_up_seconds,
        "--rate": rate,
        "--report-seconds": report_seconds,
    }
    words = [str(word) for option in options.items() for word in option]
    return [str(build_load()), *words, *(word for path in paths for word in ("--path", path))]


def run_load(
    address: str,
    paths: Sequence[str],
    calls: Path,
    *,
    protocol: str = "grpc",
    seconds: float = 3.0,
    warm_up_seconds: float = WARM_UP_SECONDS,
    **options: Any,
) -> Outcome:
    """Load a server once; see ``load_command``.

    Raises:
        RuntimeError: It cannot be run; says why.
    """
    words = load_command(
        address, paths, calls, protocol=protocol, seconds=seconds, warm_up_seconds=warm_up_seconds, **options
    )
    done = subprocess.run(words, capture_output=True, text=True, timeout=seconds + warm_up_seconds + 60, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or f"the load generator ended with {done.returncode}")
    return outcome_of(done.stdout)


def outcome_of(line: str) -> Outcome:
    """Read what the generator printed."""
    printed = json.loads(line)
    statuses = {int(status): Latency(**latency) for status, latency in printed["statuses"].items()}
    return Outcome(seconds=printed["seconds"], statuses=statuses, missed=printed["missed"])
