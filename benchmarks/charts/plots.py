"""The plots: latencies of Score against calls a second, and a soak over its time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.charts.svg import Line, Panel, axis_over, chart
from presage_training.report.charts import COLORS

__all__ = ["Record", "UnknownFileError", "latency_plot", "read_figures", "soak_plot"]

Record = Mapping[str, Any]
"""Of a load: server, in_flight, per_second, p50_us, p99_us; or of a soak: the fields of ``benchmarks.soak.samples.Sample``."""

_SCENARIO = "score"
_PRESAGE = {
    **dict.fromkeys(("native", "presage_native", "Presage native"), "Presage, native"),
    **dict.fromkeys(("grpcio", "presage_grpcio", "Presage grpcio"), "Presage, grpcio"),
}
"""Names of Presage in the figures, and in the plot."""
_FLOORS = "C++"
"""Names of servers that show a limit begin with this."""
_LATENCIES = (("p50_us", "p50: half of the calls take longer"), ("p99_us", "p99: one call in a hundred takes longer"))
_SOAK_LINES = (
    ("p99.9 and p50", (("p999_us", "p99.9", 1e3, COLORS[1]), ("p50_us", "p50", 1e3, COLORS[0])), "{:,g} ms", True),
    ("memory of the server", (("resident_bytes", "resident", 1e6, COLORS[2]),), "{:,g} MB", False),
    ("errors of each interval", (("errors", "errors", 1.0, COLORS[3]),), "{:,g}", False),
)
"""Title, lines (field, name, unit, colour), how the numbers are written, whether logarithmic."""

_DASHES_OF_A_FLOOR = "6 4"
_DASHES = ("", "2 3")
"""Of the first servers, and of those for which no colour is left."""


class UnknownFileError(ValueError):
    """A file that no benchmark writes; the message is one sentence."""


def read_figures(path: Path) -> list[Record]:
    """Read a file that a benchmark wrote.

    Raises:
        UnknownFileError: It has an unknown form, or nothing of Score.
        OSError: It cannot be read.
    """
    try:
        whole = json.loads(path.read_text())
        records = [_of_a_peer(row) for row in whole["rows"]] if isinstance(whole, dict) else list(whole)
        if records and "resident_bytes" not in records[0]:
            records = [record for record in records if record["scenario"] == _SCENARIO]
            for record in records:
                _ = [record[field] for field in ("server", "in_flight", "per_second", "p50_us", "p99_us")]
    except (KeyError, TypeError, ValueError) as error:
        raise UnknownFileError(f"{path}: expected figures of wire, limit, peers or soak as JSON") from error
    if not records:
        raise UnknownFileError(f"{path}: expected figures of {_SCENARIO!r}, found none")
    return records


def latency_plot(figures: Iterable[Record]) -> str:
    """Draw p50 and p99 of each server against its calls a second: Presage with thick lines, limits with dashes.

    Where a server is there twice, the later figures are drawn.
    """
    servers: dict[str, dict[int, Record]] = {}
    for figure in figures:
        name = str(figure["server"])
        servers.setdefault(_PRESAGE.get(name, name), {})[figure["in_flight"]] = figure
    names = sorted(servers, key=lambda name: (name not in _PRESAGE.values(), not name.startswith(_FLOORS)))
    rows = {name: [figure for _, figure in sorted(servers[name].items())] for name in names}
    every = [figure for some in rows.values() for figure in some]
    rate = axis_over("calls a second", (figure["per_second"] for figure in every), log=True, written="{:,.0f}".format)
    panels = [
        Panel(
            title=title,
            x=rate,
            y=axis_over("latency", (figure[field] for figure in every), log=True, written=_micros),
            lines=[_server_line(place, name, rows[name], field) for place, name in enumerate(names)],
            height=300,
        )
        for field, title in _LATENCIES
    ]
    levels = ", ".join(str(level) for level in sorted({figure["in_flight"] for figure in every}))
    return chart(f"Score: latency against calls a second, with {levels} calls in flight", panels)


def soak_plot(samples: Sequence[Record]) -> str:
    """Draw latencies, memory and errors of a soak over its time."""
    time = axis_over("minutes", (sample["minutes"] for sample in samples))
    panels = []
    for title, lines, written, log in _SOAK_LINES:
        values = [sample[field] / unit for field, _, unit, _ in lines for sample in samples]
        panels.append(
            Panel(
                title=title,
                x=time,
                y=axis_over(title, values, log=log, written=written.format),
                lines=[
                    Line(
                        name=name,
                        points=[(one["minutes"], one[field] / unit) for one in samples],
                        color=color,
                        thick=True,
                    )
                    for field, name, unit, color in lines
                ],
                height=130,
            )
        )
    rate = median(sample["per_second"] for sample in samples)
    return chart(f"A soak: {samples[-1]['minutes']:.0f} minutes at {rate:,.0f} calls a second", panels)


def _server_line(place: int, name: str, figures: Sequence[Record], field: str) -> Line:
    dashes = _DASHES[place // len(COLORS) % len(_DASHES)]
    return Line(
        name=name,
        points=[(figure["per_second"], figure[field]) for figure in figures],
        color=COLORS[place % len(COLORS)],
        thick=name in _PRESAGE.values(),
        dashes=_DASHES_OF_A_FLOOR if name.startswith(_FLOORS) else dashes,
        notes=["" if place else str(figure["in_flight"]) for figure in figures],
    )


def _of_a_peer(row: Record) -> Record:
    """Convert a row of ``benchmarks.peers`` to the form of the others."""
    server = f"{row['peer']}, {row['variant']}" if row["variant"] else row["peer"]
    return {**row, "server": server, "scenario": row["task"]}


def _micros(value: float) -> str:
    return f"{value / 1e3:,g} ms" if value >= 1e3 else f"{value:,g} µs"
