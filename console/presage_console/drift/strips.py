"""Strips: a cell for each window of a column, darker where its effect is larger."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from presage_export.drift import Window

__all__ = ["Cell", "cells_of", "summarise"]

_LEVELS: Final = (0.25, 0.5, 1.0, 2.0)
"""Cells become darker at an effect of these times what matters."""
_MATTERS: Final = 3
_WIDTH: Final = 1000.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One window in the strip of a column."""

    x: float
    """Where it begins, of 1,000."""
    width: float
    level: int
    """0 to 4: how far the effect is, from below a quarter of what matters to twice that and more."""
    in_alarm: bool


def cells_of(windows: Sequence[Window], ratios: Mapping[int, float], in_alarm: Collection[int]) -> Iterator[Cell]:
    """Lay out the windows of a column, as long as they last.

    Args:
        windows: In order of time.
        ratios: The effect in each window that was compared, over the one from which it matters.
        in_alarm: The windows that belong to an alarm.
    """
    if not windows:
        return
    first, end = windows[0].start_unix_micros, windows[-1].end_unix_micros
    scale = _WIDTH / (end - first)
    for place, ratio in sorted(ratios.items()):
        window = windows[place]
        yield Cell(
            x=round((window.start_unix_micros - first) * scale, 1),
            width=round((window.end_unix_micros - window.start_unix_micros) * scale, 1),
            level=sum(ratio >= bound for bound in _LEVELS),
            in_alarm=place in in_alarm,
        )


def summarise(cells: Sequence[Cell]) -> str:
    """Say what a strip shows."""
    over = sum(cell.level >= _MATTERS for cell in cells)
    return f"{over} of {len(cells)} windows with an effect that matters"
