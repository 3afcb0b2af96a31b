"""What is judged: windows, two windows in a row, and the day that ends with a window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Final

from presage_export.drift.hours import HOUR_MICROS, MAX_HOURS, Window

__all__ = ["Span", "SpanKind", "disjoint", "find_days", "find_pairs", "find_windows"]

_PARTS: Final = 4


class SpanKind(IntEnum):
    """How many windows are judged together."""

    WINDOW = 0
    """One; it is shown, and raises no alarm."""
    PAIR = 1
    """Two in a row."""
    DAY = 2
    """All that began in the 24 hours before the last one ended, three at least: small changes show in a day that do not show in
    two windows."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Span:
    """Some windows in a row, added up."""

    kind: SpanKind
    last: int
    """Which window it ends with."""
    windows: int
    """How many windows it has."""
    whole: Window
    parts: tuple[Window, ...]
    """What has to show the same, as no single window may make an alarm: either one of a pair; the day without the first quarter of
    its windows, without the second, and so on."""


def find_windows(windows: Sequence[Window]) -> Iterator[Span]:
    """Return each window alone."""
    for last, window in enumerate(windows):
        yield Span(kind=SpanKind.WINDOW, last=last, windows=1, whole=window, parts=())


def find_pairs(windows: Sequence[Window]) -> Iterator[Span]:
    """Add up each window and the one before it."""
    for last, pair in enumerate(pairwise(windows), start=1):
        yield Span(kind=SpanKind.PAIR, last=last, windows=2, whole=_join(pair), parts=pair)


def find_days(windows: Sequence[Window]) -> Iterator[Span]:
    """Add up the day that ends with each window, if it has three or more.

    Args:
        windows: In order of time.
    """
    first = 0
    for last, window in enumerate(windows):
        while window.end_unix_micros - windows[first].start_unix_micros > MAX_HOURS * HOUR_MICROS:
            first += 1
        number = last + 1 - first
        if number < 3:
            continue
        parts = min(number, _PARTS)
        bounds = [first + number * part // parts for part in range(parts + 1)]
        yield Span(
            kind=SpanKind.DAY,
            last=last,
            windows=number,
            whole=_join(windows[first : last + 1]),
            parts=tuple(
                _join([*windows[first : bounds[part]], *windows[bounds[part + 1] : last + 1]]) for part in range(parts)
            ),
        )


def disjoint(windows: Sequence[Window], kind: SpanKind) -> list[Sequence[Window]]:
    """Split windows into spans that have none in common; what is left in the end may be shorter."""
    if kind != SpanKind.DAY:
        step = 1 + kind
        return [windows[first : first + step] for first in range(0, len(windows), step)]
    days: list[list[Window]] = []
    for window in windows:
        if days and window.end_unix_micros - days[-1][0].start_unix_micros <= MAX_HOURS * HOUR_MICROS:
            days[-1].append(window)
        else:
            days.append([window])
    return list(days)


def _join(windows: Sequence[Window]) -> Window:
    return Window.of([hour for window in windows for hour in window.hours])
