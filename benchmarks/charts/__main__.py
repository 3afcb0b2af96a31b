"""``python -m benchmarks.charts FILES... --to FOLDER``: plots of figures that benchmarks wrote.

Takes the JSON of ``benchmarks.wire``, ``benchmarks.limit`` and ``benchmarks.peers`` for latency.svg: the latencies of Score against
calls a second; and that of ``benchmarks.soak`` for soak.svg. The content of a file shows which benchmark wrote it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.charts.plots import Record, UnknownFileError, latency_plot, read_figures, soak_plot
from benchmarks.rig.command import USAGE

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Read, draw and write; 2 if a file cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.charts")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--to", type=Path, default=Path("docs/images"), help="a folder")
    given = parser.parse_args(arguments)
    figures: list[Record] = []
    samples: list[Record] = []
    try:
        for path in given.files:
            records = read_figures(path)
            (samples if "minutes" in records[0] else figures).extend(records)
    except (OSError, UnknownFileError) as error:
        print(f"charts: {error}", file=sys.stderr)
        return USAGE
    given.to.mkdir(parents=True, exist_ok=True)
    for name, drawn in (
        ("latency.svg", figures and latency_plot(figures)),
        ("soak.svg", samples and soak_plot(samples)),
    ):
        if drawn:
            (given.to / name).write_text(drawn)
            print(given.to / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
