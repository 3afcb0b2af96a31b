"""The charts of the page Drift."""

from __future__ import annotations

from presage_console.charts import Chart, Marker, Series
from presage_console.drift.column import ColumnView, Compared

__all__ = ["draw_effects", "draw_histogram"]

TIMES = "\N{MULTIPLICATION SIGN}"
_SHORT = 3
"""Names of bins of so many characters fit below columns, such as the hours of a day; longer ones get a line each."""


def draw_histogram(compared: Compared | None) -> Chart | None:
    """Draw the shares of all bins, served beside usual; None if there is nothing to compare."""
    if compared is None or not compared.bars:
        return None
    labels = [bar.label for bar in compared.bars]
    return Chart(
        title="Share of rows with such a value",
        x_name="value",
        x=labels,
        kind="bars" if max(map(len, labels)) <= _SHORT else "rows",
        series=[
            Series(name="training", values=[bar.usual for bar in compared.bars], unit="%"),
            Series(name="served", values=[bar.served for bar in compared.bars], unit="%"),
        ],
    )


def draw_effects(column: ColumnView) -> Chart | None:
    """Draw the largest effect of what ends with each window; None before there are two."""
    rows = [row for row in reversed(column.windows) if row.ratio is not None]
    if len(rows) < 2:
        return None
    highest = max(row.ratio for row in rows if row.ratio is not None)
    began = [Marker(at=column.row.since.timestamp(), label="since")] if column.row.alarms else []
    return Chart(
        title="Effect, over the one from which it matters",
        note="A point for the end of each window; above 1 it matters, and is an alarm if it lasts and is not by chance.",
        x_name="until, UTC",
        x=[row.window.end.timestamp() for row in rows],
        x_is_time=True,
        y_low=0.0,
        y_high=None if highest > 1.0 else 1.2,  # the line from which it matters is always there
        series=[Series(name="effect", values=[row.ratio for row in rows], unit=TIMES)],
        markers=[Marker(at=1.0, label="matters", axis="y"), *began],
    )
