"""Items looked at in an order, a block at a time, until enough of them fit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_LOOKED_AT", "Fits", "first_fitting", "where"]

Flags = NDArray[np.bool_]
Rows = NDArray[np.int64]
Fits = Callable[[Rows], Flags]
"""Returns which of some items, by their rows, fit."""

MAX_LOOKED_AT = 1 << 17
"""The most items that one search looks at, so that what it takes does not grow with the catalogue."""

_FIRST_BLOCK, _LAST_BLOCK = 256, 8_192


def first_fitting(order: Rows, count: int, fits: Fits, *, most: int = MAX_LOOKED_AT) -> Rows:
    """Return the first items of an order that fit.

    Args:
        order: Rows of items.
        count: How many are wanted at most.
        fits: Tells which ones fit.
        most: How many are looked at.
    """
    found, missing = [order[:0]], count
    begin, size, end = 0, _FIRST_BLOCK, min(len(order), most)
    while missing > 0 and begin < end:
        rows = order[begin : min(begin + size, end)]
        found.append(rows[fits(rows)][:missing])
        missing -= len(found[-1])
        begin += size
        size = min(2 * size, _LAST_BLOCK)
    return np.concatenate(found)


def where(flags: Flags, values: NDArray[np.generic], fits: Callable[[int], bool]) -> Flags:
    """Return the flags without those of values that do not fit; only values with a flag are looked at."""
    places = np.flatnonzero(flags)
    found = np.zeros(len(flags), bool)
    found[places] = [fits(value) for value in values[places].tolist()]
    return found
