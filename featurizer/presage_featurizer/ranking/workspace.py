"""Memory for finding and summing items, so that neither sorting nor columns of all items are needed for each visitor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.items import UNKNOWN

__all__ = ["Workspace"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


_ORDER = np.arange(1 << 15, dtype=np.int16)
"""Places, which must fit 16 bits: arrays for all items stay small enough for a cache."""


class Workspace:
    """Reused from one call to the next; one for each thread.

    Every array is as it was at the end of each method. Numbers may be UNKNOWN, which is the last element of each array.
    """

    def __init__(self) -> None:
        self.place_of: NDArray[np.int16] = np.full(1, UNKNOWN, np.int16)
        """By number: UNKNOWN between calls, as the next two are 0."""
        self.slot_of: NDArray[np.int16] = np.zeros(1, np.int16)
        self.sum_of: Floats = np.zeros(1)
        self._marks: NDArray[np.uint8] = np.zeros(1, np.uint8)

    def reserve(self, size: int) -> None:
        """Make room for numbers below a size."""
        if size >= len(self.place_of):
            room = size + size // 4 + 1
            self.place_of = np.full(room, UNKNOWN, np.int16)
            self.slot_of = np.zeros(room, np.int16)
            self.sum_of = np.zeros(room)

    def places(self, wanted: Rows, among: Rows) -> NDArray[np.int16]:
        """Return where each wanted number is among others, or UNKNOWN; of equal ones, the place of the last."""
        places = self.place_of
        places[among] = _order(len(among))
        places[UNKNOWN] = UNKNOWN
        found = places.take(wanted)
        places[among] = UNKNOWN
        return found

    def shares(self, own: Rows, weights: Floats, wanted: Rows, special: Floats) -> Floats:
        """Sum a visitor's weights by number, in the order given, and return the sums of the wanted numbers.

        Args:
            own: The visitor's numbers.
            weights: One for each.
            wanted: Of any shape; 0 comes out for those that the visitor does not have.
            special: What comes out for the numbers from 0 to its length, whether the visitor has them or not.
        """
        sums = self.sum_of
        np.add.at(sums, own, weights)
        sums[: len(special)] = special
        found = sums.take(wanted)
        sums[own] = sums[: len(special)] = 0.0
        return found

    def firsts(self, numbers: Rows) -> Rows:
        """Return the places of numbers that did not come before, in their order."""
        places = self.place_of
        order = _order(len(numbers))
        places[numbers[::-1]] = order[::-1]
        found = np.flatnonzero(places.take(numbers) == order)
        places[numbers] = UNKNOWN
        return found

    def totals(self, numbers: NDArray[np.int32], amounts: Floats) -> Floats:
        """Sum amounts by number, in the order given; the sum stands where the number comes for the last time, with 0 elsewhere."""
        places = self.place_of
        places[numbers] = _order(len(numbers))
        group = places.take(numbers)
        places[numbers] = UNKNOWN
        return np.bincount(group, amounts, len(numbers)).astype(np.float64, copy=False)

    def begin_slots(self, numbers: Rows) -> NDArray[np.int16]:
        """Give numbers slots from 1 on; all others, and UNKNOWN, have slot 0 until ``end_slots``. Return all slots by number."""
        slots = self.slot_of
        slots[numbers] = _order(len(numbers) + 1)[1:]
        slots[UNKNOWN] = 0
        return slots

    def end_slots(self, numbers: Rows) -> None:
        """Take the slots back."""
        self.slot_of[numbers] = 0

    def marks(self, size: int) -> NDArray[np.uint8]:
        """Return zeros for numbers below a size. The caller must put the zeros back."""
        if size > len(self._marks):
            self._marks = np.zeros(size, np.uint8)
        return self._marks


def _order(size: int) -> NDArray[np.int16]:
    if size > len(_ORDER):
        raise ValueError(f"items at once: expected at most {len(_ORDER):,}, got {size:,}")
    return _ORDER[:size]
