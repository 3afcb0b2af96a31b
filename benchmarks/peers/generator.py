"""Loads a server with the calls of a case, and measures how fast they are answered."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.peer import Case, Protocol
from benchmarks.rig.load import WARM_UP_SECONDS, Calls, pack_call, run_load

__all__ = ["GeneratorError", "Measured", "load", "write_bodies"]


class GeneratorError(RuntimeError):
    """The load could not be made: the server broke connections, or left calls unanswered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What a load showed."""

    in_flight: int
    per_second: float
    """Calls answered well, in a second."""
    p50_us: float
    p99_us: float
    server_cpu_us: float
    """Processor time of all of the server's processes for each call; the store's is not in it."""
    errors: int


def write_bodies(bodies: Iterable[bytes], path: Path) -> None:
    """Write the bodies of calls as the generator reads them."""
    with path.open("wb") as file:
        file.writelines(pack_call(0, body) for body in bodies)


def load(
    case: Case, port: int, bodies: Path, *, in_flight: int, seconds: float, cpu_seconds: Callable[[], float]
) -> Measured:
    """Keep calls in flight, each followed by the next one as soon as it is answered.

    Args:
        case: What to call, and over which protocol.
        port: Where, on loopback.
        bodies: What calls carry, in turn: a file that ``write_bodies`` wrote.
        in_flight: Streams of one connection for gRPC; connections for HTTP/1.1.
        seconds: For how long, after a warm-up.
        cpu_seconds: Returns the processor time of the server so far.

    Raises:
        GeneratorError: The load cannot be made.
    """
    connections = 1 if case.protocol is Protocol.GRPC else in_flight
    before = cpu_seconds()
    try:
        outcome = run_load(
            f"127.0.0.1:{port}",
            Calls(bodies, [case.path]),
            protocol=case.protocol,
            seconds=seconds,
            in_flight=in_flight,
            connections=connections,
        )
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        raise GeneratorError(f"{case.path}, {in_flight} in flight: {error}") from error
    calls = max(outcome.per_second * (seconds + WARM_UP_SECONDS), 1.0)
    return Measured(
        in_flight=in_flight,
        per_second=outcome.per_second,
        p50_us=outcome.ok.p50_us,
        p99_us=outcome.ok.p99_us,
        server_cpu_us=(cpu_seconds() - before) / calls * 1e6,
        errors=outcome.errors,
    )
