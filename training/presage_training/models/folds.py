"""Time-ordered validation: a model is validated only on rows later than its training rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_training.models.rows import Rows

__all__ = ["Fold", "time_ordered_folds"]


@dataclass(frozen=True, slots=True)
class Fold:
    """Indices of training rows, and of later validation rows."""

    train: NDArray[np.intp]
    validation: NDArray[np.intp]


def time_ordered_folds(rows: Rows, count: int) -> list[Fold]:
    """Cut the rows by time into ``count + 1`` blocks of about as many rows; each but the first validates once.

    A fold trains on the rows of all earlier blocks whose targets were known when its own block began. Rows of one moment are in one
    block. A fold without training or validation rows is skipped.

    Args:
        rows: The rows.
        count: How many folds, at least 1.
    """
    times = rows.times_unix_micros
    known = times if rows.known_unix_micros is None else rows.known_unix_micros
    if not len(rows):
        return []
    starts = np.sort(times)[[len(rows) * block // (count + 1) for block in range(1, count + 1)]]
    ends = [*starts[1:], times.max() + 1]
    folds = [
        Fold(
            np.flatnonzero((times < start) & (known <= start)),
            np.flatnonzero((times >= start) & (times < end)),
        )
        for start, end in zip(starts, ends, strict=True)
    ]
    return [fold for fold in folds if len(fold.train) and len(fold.validation)]
