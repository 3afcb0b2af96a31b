"""Days that end with each window: small changes show in a day that do not show in a window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from presage_export.drift.hours import HOUR_MICROS, MAX_HOURS, Hour, Window

__all__ = ["Day", "find_days"]

_PARTS: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Day:
    """The windows of the day before a moment, added up."""

    last: int
    """Which window it ends with."""
    windows: int
    """How many windows it has, two at least."""
    whole: Window
    without_parts: tuple[Window, ...]
    """The same without the first quarter of its windows, without the second, and so on: no single window may make an alarm."""


def find_days(windows: Sequence[Window]) -> Iterator[Day]:
    """Add up the day that ends with each window, if it has two or more.

    Args:
        windows: In order of time.
    """
    first = 0
    for last, window in enumerate(windows):
        while window.end_unix_micros - windows[first].start_unix_micros > MAX_HOURS * HOUR_MICROS:
            first += 1
        number = last + 1 - first
        if number < 2:
            continue
        parts = min(number, _PARTS)
        bounds = [first + number * part // parts for part in range(parts + 1)]
        yield Day(
            last=last,
            windows=number,
            whole=Window.of(_hours(windows[first : last + 1])),
            without_parts=tuple(
                Window.of(_hours([*windows[first : bounds[part]], *windows[bounds[part + 1] : last + 1]]))
                for part in range(parts)
            ),
        )


def _hours(windows: Sequence[Window]) -> list[Hour]:
    return [hour for window in windows for hour in window.hours]
