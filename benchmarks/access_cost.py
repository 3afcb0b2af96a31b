"""``python -m benchmarks.access_cost``: what the check of a token costs a Score.

Two servers on stores with the same visitors, loaded in turn: one without ``--tokens-file``, and one with it, whose calls carry a
token that has a rate. The difference of their processor time for each call is the whole price: the metadata that is sent, read and
checked. Beside it stands the check alone, in this process. The exit code is 1 if either is more than 5 µs, and not by chance.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, stdev
from time import monotonic, process_time

from rich.console import Console
from rich.table import Table

from benchmarks.rig.command import FAILED, load_options, run_benchmark, run_presage, write_json
from benchmarks.rig.in_turn import CallCost, load_in_turn, median_of
from benchmarks.rig.rig import Rig, open_rig
from benchmarks.rig.serving import Server
from presage_server.access.gate import Gate
from presage_server.access.tokens import read_tokens

__all__ = ["main"]

_IN_FLIGHT = (16, 64)
"""With one, a server spends more on waiting for it than on the call."""
_MOST_US = 5.0
_RATE = "1000000"
"""Calls per second of the token: it is counted, and never reached."""
_CHECKS, _REPEATS = 20_000, 9
_SCORE = "/presage.v1.ScoringService/Score"
_METADATA = (
    ("te", "trailers"),
    ("content-type", "application/grpc"),
    ("user-agent", "grpc-python/1.85.1 grpc-c/53.0.0"),
)
"""What clients send beside the token."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Comparison:
    transport: str
    in_flight: int
    off_us: float
    """Processor time of the server for a call: the median of the rounds."""
    on_us: float
    difference_us: float
    """The median of the rounds' differences."""
    error_us: float
    """The standard error of their mean."""


def main(arguments: list[str] | None = None) -> int:
    """Load both servers, and print the differences."""
    parser = load_options("access_cost", rounds=15, seconds=1.0)
    parser.add_argument("--transport", nargs="+", choices=("native", "grpcio"), default=["native", "grpcio"])
    parser.add_argument("--in-flight", nargs="+", type=int, default=list(_IN_FLIGHT))
    given = parser.parse_args(arguments)
    return run_benchmark("bench-access", lambda console: _run(given, console))


def _run(given: argparse.Namespace, console: Console) -> int:
    comparisons: list[_Comparison] = []
    with open_rig(given.visitors) as rig, console.status("loading"):
        tokens = rig.folder / "tokens.json"
        token = _add_token(tokens)
        calls = rig.write_calls("score")
        for transport in given.transport:
            servers = _start(rig, transport, tokens)
            for in_flight in given.in_flight:
                options = {"on": {"authorization": f"Bearer {token}"}}
                costs = load_in_turn(servers, calls, in_flight, given, options)
                comparisons.append(_compare(transport, in_flight, costs))
        alone_us = _check_alone(tokens, token)
    _print(console, comparisons)
    console.print(f"the check alone, in this process: {alone_us:.2f} µs")
    write_json(given.to, {"servers": [asdict(one) for one in comparisons], "check_us": alone_us})
    too_much = [one for one in comparisons if one.difference_us - 2 * one.error_us > _MOST_US]
    for one in too_much:
        console.print(
            f"{one.transport}, {one.in_flight} in flight: expected at most {_MOST_US} µs, got {one.difference_us:.1f}"
        )
    return FAILED if too_much or alone_us > _MOST_US else 0


def _add_token(file: Path) -> str:
    names = ("--tokens-file", str(file), "--scopes", "score", "--calls-per-second", _RATE)
    for number in range(20):  # among others, as in a shop
        run_presage("tokens", "add", f"other-{number}", *names)
    return run_presage("tokens", "add", "shop", *names).strip()


def _start(rig: Rig, transport: str, tokens: Path) -> Mapping[str, Server]:
    flags = ("--transport", transport)
    return {
        "off": rig.start_presage(rig.start_store(), *flags),
        "on": rig.start_presage(rig.start_store(), *flags, "--tokens-file", str(tokens)),
    }


def _compare(transport: str, in_flight: int, costs: Mapping[str, list[CallCost]]) -> _Comparison:
    differences = [on.cpu - off.cpu for on, off in zip(costs["on"], costs["off"], strict=True)]
    return _Comparison(
        transport=transport,
        in_flight=in_flight,
        off_us=median_of(costs["off"]).cpu,
        on_us=median_of(costs["on"]).cpu,
        difference_us=median(differences),
        error_us=stdev(differences) / len(differences) ** 0.5,
    )


def _check_alone(tokens: Path, token: str) -> float:
    """Return the processor time of one check, in microseconds; the least of several repeats."""
    gate = Gate(read_tokens(tokens), ())
    metadata = (*_METADATA, ("authorization", f"Bearer {token}"))
    spent = []
    for _ in range(_REPEATS):
        before = process_time()
        for _ in range(_CHECKS):
            gate.check(_SCORE, metadata, monotonic())
        spent.append((process_time() - before) * 1e6 / _CHECKS)
    return min(spent)


def _print(console: Console, comparisons: list[_Comparison]) -> None:
    table = Table(
        *("transport", "in flight", "µs without", "µs with tokens", "difference"),
        title="Processor time of the server for a Score, with tokens and without",
        title_justify="left",
    )
    for one in comparisons:
        table.add_row(
            one.transport,
            str(one.in_flight),
            f"{one.off_us:.1f}",
            f"{one.on_us:.1f}",
            f"{one.difference_us:.2f} ± {2 * one.error_us:.2f}",
        )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
