"""``python -m benchmarks.versions``: what a challenger, a shadow and their pairs cost a Score.

Three servers on one store serve the shipped model: alone; with a challenger for a tenth of the visitors and a shadow; and the same
with a tenth of the scores paired. They are loaded in turn, and compared by the server's processor time for a call, and by the 99th
percentile of the latency. The exit code is 1 if a Score with pairs takes more than 1.3 times as much processor time as one without
other versions.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.rig.command import FAILED, load_options, run_benchmark, write_json
from benchmarks.rig.in_turn import CallCost, load_in_turn, median_of, ratios_of
from benchmarks.rig.rig import Rig, open_rig
from benchmarks.rig.serving import Server
from presage_export.bundle.manifest import decode_manifest, encode_manifest, seal_manifest
from presage_export.registry import Aliases, replace_aliases
from presage_server.settings import shipped_models

__all__ = ["main"]

_TRANSPORTS = ("native", "grpcio")
_IN_FLIGHT = (1, 16)
_MOST = 1.3
_ALONE, _SPLIT, _PAIRS = "alone", "split", "pairs"
_SHARES = {_SPLIT: 0.0, _PAIRS: 0.1}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Comparison:
    transport: str
    in_flight: int
    served: str
    cpu_micros: float
    """The server's processor time for a call; the median of the rounds."""
    cpu_ratio: float
    """To that of the version alone; the median of the rounds' ratios."""
    p99_micros: float
    p99_ratio: float


def main(arguments: list[str] | None = None) -> int:
    """Load the servers and print the ratios."""
    parser = load_options("versions", rounds=7, seconds=1.0)
    parser.add_argument("--transport", nargs="+", choices=_TRANSPORTS, default=list(_TRANSPORTS))
    parser.add_argument("--in-flight", nargs="+", type=int, default=list(_IN_FLIGHT))
    given = parser.parse_args(arguments)
    return run_benchmark("bench-versions", lambda console: _run(given, console))


def _run(given: argparse.Namespace, console: Console) -> int:
    with tempfile.TemporaryDirectory(prefix="presage-bench-") as name, open_rig(given.visitors) as rig:
        models = _write_models(Path(name))
        comparisons = []
        with console.status("loading"):
            calls = rig.write_calls("score")
            for transport in given.transport:
                servers = _start(rig, transport, models)
                for in_flight in given.in_flight:
                    costs = load_in_turn(servers, calls, in_flight, given)
                    comparisons += [_compare(transport, in_flight, served, costs) for served in servers]
    _print(console, comparisons)
    write_json(given.to, [asdict(comparison) for comparison in comparisons])
    too_slow = [one for one in comparisons if one.served == _PAIRS and one.cpu_ratio > _MOST]
    for one in too_slow:
        console.print(f"{one.transport}, {one.in_flight} in flight: expected at most {_MOST}, got {one.cpu_ratio:.2f}")
    return FAILED if too_slow else 0


def _write_models(folder: Path) -> dict[str, Path]:
    """Copy the shipped model once, and with two more versions of it and aliases that name them."""
    (shipped,) = (shipped_models() / "conversion").glob("[0-9]*")
    found = {}
    for served in (_ALONE, *_SHARES):
        found[served] = folder / served
        for version in ("1",) if served == _ALONE else ("1", "2", "3"):
            _copy(shipped, folder / served / "conversion" / version)
        if served != _ALONE:
            aliases = Aliases(
                champion="1", challenger="2", challenger_share=0.1, shadow="3", pairs_share=_SHARES[served]
            )
            replace_aliases(
                folder / served / "conversion", aliases, now_unix_micros=0, changed_by="benchmark", reason="a split"
            )
    return found


def _copy(shipped: Path, to: Path) -> None:
    """Copy a bundle as another version."""
    shutil.copytree(shipped, to)
    path = to / "manifest.json"
    manifest = msgspec.structs.replace(decode_manifest(path.read_bytes()), version=to.name)
    path.write_bytes(encode_manifest(seal_manifest(manifest)))


def _start(rig: Rig, transport: str, models: dict[str, Path]) -> dict[str, Server]:
    url = rig.start_store()
    flags = ("--transport", transport, "--metrics-port", "0", "--sample-vectors-share", "0")
    return {served: rig.start_presage(url, "--models", str(folder), *flags) for served, folder in models.items()}


def _compare(transport: str, in_flight: int, served: str, costs: dict[str, list[CallCost]]) -> _Comparison:
    cost, ratio = median_of(costs[served]), median_of(ratios_of(costs[served], costs[_ALONE]))
    return _Comparison(
        transport=transport,
        in_flight=in_flight,
        served=served,
        cpu_micros=cost.cpu,
        cpu_ratio=ratio.cpu,
        p99_micros=cost.p99,
        p99_ratio=ratio.p99,
    )


def _print(console: Console, comparisons: Sequence[_Comparison]) -> None:
    table = Table(
        *("transport", "in flight", "served", "CPU µs", "ratio", "p99 µs", "ratio"),
        title="a Score with one version, with three, and with a tenth of the scores paired",
        title_justify="left",
    )
    for one in comparisons:
        table.add_row(
            one.transport,
            str(one.in_flight),
            one.served,
            f"{one.cpu_micros:.1f}",
            f"{one.cpu_ratio:.2f}",
            f"{one.p99_micros:.0f}",
            f"{one.p99_ratio:.2f}",
        )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
