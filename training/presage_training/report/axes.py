"""Axes of shares, on the scale of the data: at a prevalence of 1 %, a chart from 0 to 1 is a dot in a corner."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor, log10

__all__ = ["UNIT", "Axis"]

_WIDE = 0.5
_NARROWEST = 1e-6
_INTERVALS = 4
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
_DECIMALS = 12


@dataclass(frozen=True)
class Axis:
    """An axis, within 0 and 1."""

    first: float
    last: float

    @classmethod
    def around(cls, values: Iterable[float]) -> Axis:
        """Choose round ends close to the values; 0 to 1 if they span half of that, and 0 or 1 if they come close to it."""
        found = tuple(values)
        low, high = max(0.0, min(found, default=0.0)), min(1.0, max(found, default=0.0))
        if low == high:
            low, high = 0.0, 2.0 * high
        low = 0.0 if low < high - low else low
        high = 1.0 if 1.0 - high < high - low else high
        if not _NARROWEST < high - low < _WIDE:
            return UNIT
        step = _step(high - low)
        # The ends may be between ticks, so that they are no further out than half a step needs.
        half = step / 2
        first, last = floor(low / half + 1e-9) * half, ceil(high / half - 1e-9) * half
        return cls(round(max(0.0, first), _DECIMALS), round(min(1.0, last), _DECIMALS))

    @cached_property
    def ticks(self) -> tuple[float, ...]:
        """The round numbers to mark."""
        step = _step(self.last - self.first)
        numbers = range(ceil(self.first / step - 1e-9), floor(self.last / step + 1e-9) + 1)
        return tuple(round(number * step, _DECIMALS) for number in numbers)

    @property
    def is_zoomed(self) -> bool:
        return self != UNIT

    def place(self, value: float) -> float:
        """Return where a value is, from 0 at the first end to 1 at the last."""
        return (value - self.first) / (self.last - self.first)

    def label(self, text: str) -> str:
        """Add the ends of a zoomed axis to its label."""
        return f"{text} (zoomed: {self.first:g} to {self.last:g})" if self.is_zoomed else text


def _step(span: float) -> float:
    """Return the distance of round numbers that divides a span into about four."""
    power = 10.0 ** floor(log10(span / _INTERVALS))
    return next(number * power for number in _ROUND if number * power * _INTERVALS >= span * (1.0 - 1e-9))


UNIT = Axis(0.0, 1.0)
"""From 0 to 1."""
