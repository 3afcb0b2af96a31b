"""Candidates put in order, and why they are shown; ``placements.scored`` and ``reasons`` say what comes out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from presage_featurizer.ranking.compiled.compiling import column, compiled, table

__all__ = ["find_reasons", "order_shown"]

Array = NDArray[Any]


@compiled(
    types.int64,
    *(table(types.float64), table(types.uint64), table(types.int64), table(types.boolean), types.boolean),
    column(types.int64),
)
def order_shown(
    scores: Array, digests: Array, stock: Array, blocked: Array, hide: bool, places: Array  # noqa: FBT001 - as above
) -> int:  # fmt: skip
    """Put the places of candidates that may be shown in order, the best first; returns how many there are.

    All are compared with all, each goes where so many others are before it: for a hundred candidates, comparing them without
    branches takes less time than sorting them with branches that nobody can foresee.

    Args:
        scores: None of them is NaN.
        digests: Where scores are equal, the lower one comes first.
        stock: Those with 0 may not be shown, if ``hide``.
        blocked: Those may never be shown.
        hide: See above.
        places: Filled in; as long as the others.
    """
    count = 0
    for place in range(scores.shape[0]):
        if not (blocked[place] or (hide and stock[place] == 0)):
            places[count] = place
            count += 1
    values, numbers = np.empty(count, np.float64), np.empty(count, np.uint64)
    for at in range(count):
        values[at], numbers[at] = scores[places[at]], digests[places[at]]
    unordered = places[:count].copy()
    for at in range(count):
        value, number, better = values[at], numbers[at], np.int64(0)
        for other in range(count):
            better += np.int64((values[other] > value) | ((values[other] == value) & (numbers[other] < number)))
        places[better] = unordered[at]
    return count


@compiled(
    types.void,
    *(table(types.float32, 2), table(types.int64), table(types.int64), types.int64, types.int64),
    *(table(types.float64), table(types.float64), types.int64, types.float64, column(types.uint16)),
)
def find_reasons(
    values: Array, places: Array, columns: Array, views: int, purchases: int, lowest: Array, highest: Array, tables: int,
    strong_share: float, bits: Array,
) -> None:  # fmt: skip
    """Tell which features are within their limits.

    Args:
        values: Features of candidates.
        places: The candidates that are shown.
        columns: The features that are looked at.
        views: The place among these of the one that purchases are added to.
        purchases: The column of purchases.
        lowest: The least value of each of them.
        highest: The greatest one.
        tables: How many of the first features have no ``lowest``, but a share of the greatest value shown, if that is not 0.
        strong_share: The share.
        bits: Filled in: a bit for each feature, the first one's the lowest.
    """
    least = lowest.copy()
    for number in range(tables):
        nearest = 0.0
        for place in places:
            nearest = max(nearest, np.float64(values[place, columns[number]]))
        if nearest > 0.0:
            least[number] = strong_share * nearest
    for at in range(places.shape[0]):
        row = values[places[at]]
        found = 0
        for number in range(columns.shape[0]):
            value = np.float64(row[columns[number]])
            if number == views:
                value += np.float64(row[purchases])
            if least[number] <= value <= highest[number]:
                found |= 1 << number
        bits[at] = found
