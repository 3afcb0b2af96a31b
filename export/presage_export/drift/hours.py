"""Hours of served rows, and the windows that are made of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["BUCKETS", "HOUR_MICROS", "MAX_HOURS", "MIN_VISITORS", "Hour", "Window", "make_windows"]

HOUR_MICROS: Final = 3_600_000_000
BUCKETS: Final = 4096
"""Visitors are counted by a hash of their id in so many buckets."""
MIN_VISITORS: Final = 1500
"""A window ends with the hour that brings it this many visitors, ..."""
MAX_HOURS: Final = 24
"""... or with this one."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Hour:
    """What was served in one hour, or in the part of it that is known."""

    number: int
    """Hours since 1970-01-01 00:00 UTC."""
    counts: NDArray[np.int64]
    """Rows in each bin of a layout, ``[bins]``."""
    visitors: NDArray[np.int64]
    """Rows of the visitors in each bucket, ``[BUCKETS]``."""

    def __add__(self, other: Hour) -> Hour:
        return Hour(number=self.number, counts=self.counts + other.counts, visitors=self.visitors + other.visitors)

    @property
    def rows(self) -> int:
        """How many rows."""
        return int(self.visitors.sum())


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Window:
    """Some hours in a row that are judged together."""

    hours: tuple[Hour, ...]
    counts: NDArray[np.int64]
    """Rows in each bin, ``[bins]``."""
    rows: int
    visitors: int
    """About how many different visitors: at most ``BUCKETS * ln(BUCKETS)``, however many there are."""
    largest_share: float
    """The share of rows of the busiest bucket: where one visitor makes many, about that visitor's."""

    @classmethod
    def of(cls, hours: Sequence[Hour]) -> Window:
        """Add some hours up."""
        visitors = np.sum([hour.visitors for hour in hours], axis=0)
        rows = int(visitors.sum())
        return cls(
            hours=tuple(hours),
            counts=np.sum([hour.counts for hour in hours], axis=0),
            rows=rows,
            visitors=_count_distinct(visitors),
            largest_share=float(visitors.max()) / max(1, rows),
        )

    @property
    def start_unix_micros(self) -> int:
        return self.hours[0].number * HOUR_MICROS

    @property
    def end_unix_micros(self) -> int:
        return (self.hours[-1].number + 1) * HOUR_MICROS


def make_windows(hours: Iterable[Hour], *, min_visitors: int, max_hours: int = MAX_HOURS) -> list[Window]:
    """Make windows of hours in order of time: each as short as gives enough visitors.

    The last hours are left out if they have too few visitors and may still get more.

    Args:
        hours: The hours, at most one for each number; hours without traffic may be missing.
        min_visitors: How many visitors end a window.
        max_hours: How many hours end it otherwise.
    """
    windows: list[Window] = []
    current: list[Hour] = []
    for hour in sorted(hours, key=lambda hour: hour.number):
        if current and hour.number - current[0].number >= max_hours:
            windows.append(Window.of(current))
            current = []
        current.append(hour)
        if _count_distinct(np.sum([one.visitors for one in current], axis=0)) >= min_visitors:
            windows.append(Window.of(current))
            current = []
    return windows


def _count_distinct(buckets: NDArray[np.int64]) -> int:
    """Estimate how many visitors fell into buckets, from the share of empty ones (Whang et al. 1990, linear counting)."""
    empty = max(1, int(np.count_nonzero(buckets == 0)))
    return round(-len(buckets) * math.log(empty / len(buckets)))
