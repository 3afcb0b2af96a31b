"""A server beside one that does less: what a call takes of both, and whether the difference is more than allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, stdev
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.rig.command import FAILED, write_json
from benchmarks.rig.in_turn import CallCost, median_of, ratios_of

__all__ = ["MAX_RATIO", "Comparison", "compare", "report"]

MAX_RATIO = 1.03
"""What is allowed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One figure of two servers."""

    transport: str
    in_flight: int
    figure: str
    """``cpu``, ``p50`` or ``p99``, in microseconds."""
    micros: Mapping[str, float]
    """The median of the rounds, by server."""
    ratio: float
    """The median of the rounds' ratios."""
    error: float
    """The standard error of their mean."""

    @property
    def is_too_slow(self) -> bool:
        """Whether the ratio is higher than allowed, and not by chance."""
        return self.ratio - 2 * self.error > MAX_RATIO

    def as_json(self) -> dict[str, Any]:
        """Return the fields, with each server's median under its name."""
        return {
            "transport": self.transport,
            "in_flight": self.in_flight,
            "figure": self.figure,
            **self.micros,
            "ratio": self.ratio,
            "error": self.error,
        }


def compare(
    transport: str, in_flight: int, figure: str, costs: Mapping[str, Sequence[CallCost]], *, base: str, other: str
) -> Comparison:
    """Compare a figure of ``other`` with that of ``base``; both are names of servers in ``costs``, which has their rounds."""
    ratios = [getattr(ratio, figure) for ratio in ratios_of(costs[other], costs[base])]
    return Comparison(
        transport=transport,
        in_flight=in_flight,
        figure=figure,
        micros={name: getattr(median_of(costs[name]), figure) for name in (base, other)},
        ratio=median(ratios),
        error=stdev(ratios) / len(ratios) ** 0.5,
    )


def report(
    console: Console, comparisons: Sequence[Comparison], to: Path | None, *, title: str, columns: tuple[str, str]
) -> int:
    """Print the comparisons and write them to a file; returns the exit code: FAILED if one is too slow.

    Args:
        console: Where to print.
        comparisons: What to print.
        to: A file for them in JSON; None: none is written.
        title: Of the table.
        columns: What each of the servers is called in it, the base first.
    """
    table = Table(
        *("transport", "in flight", "figure", *(f"µs {column}" for column in columns), "ratio"),
        title=title,
        title_justify="left",
    )
    for comparison in comparisons:
        table.add_row(
            comparison.transport,
            str(comparison.in_flight),
            comparison.figure,
            *(f"{micros:.1f}" for micros in comparison.micros.values()),
            f"{comparison.ratio:.3f} ± {2 * comparison.error:.3f}",
        )
    console.print(table)
    write_json(to, [comparison.as_json() for comparison in comparisons])
    too_slow = [comparison for comparison in comparisons if comparison.is_too_slow]
    for one in too_slow:
        console.print(
            f"{one.transport}, {one.in_flight} in flight, {one.figure}: expected at most {MAX_RATIO}, got {one.ratio:.3f}"
        )
    return FAILED if too_slow else 0
