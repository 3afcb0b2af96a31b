"""Counts of items summed over windows of time that move by the hour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.items_bucket import COUNTED_TYPES

__all__ = ["WINDOW_DAYS", "HourCounts", "Windows"]

WINDOW_DAYS = (1, 7, 30)
"""The windows that the counts are summed over, besides all time."""

_DAY_HOURS = 24
_KINDS = len(COUNTED_TYPES)


@dataclass(frozen=True, slots=True)
class HourCounts:
    """The counts of one hour that are not 0."""

    keys: NDArray[np.int64]
    """Row * COUNTED_TYPES + place of the type, ascending."""
    amounts: NDArray[np.int32]

    @classmethod
    def of(cls, parts: list[HourCounts]) -> HourCounts:
        """Add counts up."""
        if len(parts) == 1:
            return parts[0]
        keys, inverse = np.unique(np.concatenate([part.keys for part in parts]), return_inverse=True)
        amounts = np.zeros(len(keys), np.int32)
        np.add.at(amounts, inverse, np.concatenate([part.amounts for part in parts]))
        return cls(keys, amounts)


class Windows:
    """Sums by window, type and row, and the hours that some window will drop."""

    def __init__(self) -> None:
        self.sums = np.zeros((len(WINDOW_DAYS) + 1, _KINDS, 0), np.int32)
        """Shape (windows, COUNTED_TYPES, rows or more); the last window is all time."""
        self.first_hours = [0] * len(WINDOW_DAYS)
        """The hour that each window begins with."""
        self._hours: dict[int, list[HourCounts]] = {}
        self.newest_hour = -1
        """The hour of the newest bucket."""

    def copy(self) -> Windows:
        """Return windows that change independently."""
        other = Windows()
        other.sums = self.sums.copy()
        other.first_hours = list(self.first_hours)
        other._hours = {hour: list(parts) for hour, parts in self._hours.items()}
        other.newest_hour = self.newest_hour
        return other

    def grow(self, rows: int) -> None:
        """Make room for this number of rows."""
        more = rows - self.sums.shape[2]
        if more > 0:
            self.sums = np.concatenate([self.sums, np.zeros((*self.sums.shape[:2], more), np.int32)], axis=2)

    def add(self, hour: int, rows: NDArray[np.int64], counts: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Add the counts of a bucket, and return the rows whose counts left a window.

        Args:
            hour: The hour that it is in, since 1970; none earlier than those before.
            rows: Each once; there must be room for them.
            counts: Shape (rows, COUNTED_TYPES).
        """
        dropped = self._start(hour) if hour != self.newest_hour else rows[:0]
        found, kinds = np.nonzero(counts)
        if not len(found):
            return dropped
        keys = rows[found] * _KINDS + kinds
        order = np.argsort(keys)
        part = HourCounts(keys[order], counts[found, kinds][order].astype(np.int32))
        for window in range(len(self.sums)):
            self._change(window, part, 1)
        self._hours.setdefault(hour, []).append(part)
        return dropped

    def hours(self) -> dict[int, HourCounts]:
        """Return the hours that some window has, in order."""
        return {hour: HourCounts.of(parts) for hour, parts in sorted(self._hours.items())}

    def restore(self, hour: int, counts: HourCounts) -> None:
        """Put an hour back that ``hours`` returned; the sums have it already."""
        self._hours.setdefault(hour, []).append(counts)

    def _start(self, hour: int) -> NDArray[np.int64]:
        dropped = [np.zeros(0, np.int64)]
        if self.newest_hour in self._hours:
            self._hours[self.newest_hour] = [HourCounts.of(self._hours[self.newest_hour])]
        self.newest_hour = hour
        for window, days in enumerate(WINDOW_DAYS):
            first = hour - days * _DAY_HOURS
            for expired in [known for known in self._hours if self.first_hours[window] <= known < first]:
                for part in self._hours[expired]:
                    self._change(window, part, -1)
                    dropped.append(part.keys // _KINDS)
            self.first_hours[window] = max(first, self.first_hours[window])
        for expired in [known for known in self._hours if known < self.first_hours[-1]]:
            del self._hours[expired]
        return np.concatenate(dropped)

    def _change(self, window: int, part: HourCounts, sign: int) -> None:
        rows, kinds = np.divmod(part.keys, _KINDS)
        self.sums[window, kinds, rows] += sign * part.amounts  # each place once
