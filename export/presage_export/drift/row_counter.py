"""Counts the rows of each bin, some hundred rows at a time, as fast as a server needs it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from presage_export.drift.layout import Layout

__all__ = ["RowCounter"]

_MAX_ROWS = 8 * 255
"""Eight counters of a byte are in each word."""


class RowCounter:
    """Counts rows; what it works on is allocated once. For one thread at a time.

    Args:
        layout: The bins.
        max_rows: How many rows are counted at once, 2,040 at most.

    Raises:
        ValueError: So many rows cannot be counted at once.
    """

    def __init__(self, layout: Layout, *, max_rows: int) -> None:
        if not 1 <= max_rows <= _MAX_ROWS:
            raise ValueError(f"max_rows: expected 1 to {_MAX_ROWS}, got {max_rows}")
        self._layout = layout
        self._edges = layout.edges[:, None]
        self._columns = np.empty((len(layout.edges), max_rows), np.float32)
        self._above = np.empty((len(layout.edges), -(-max_rows // 8) * 8), np.bool_)
        self._first = layout.starts_of_bins[:-1]
        self._last = layout.starts[1:] - 1
        self._others = np.delete(np.arange(layout.bins), self._first)

    def count(self, columns: NDArray[np.float32]) -> NDArray[np.int64]:
        """Count the values in each bin, int64 ``[bins]``, of columns ``[C, N]``."""
        rows = columns.shape[1]
        width = -(-rows // 8) * 8
        above = self._above[:, :width]
        above[:, rows:] = False
        # ``mode`` says nothing, as all places are there; without it NumPy makes a copy.
        repeated = np.take(columns, self._layout.columns_of_edges, axis=0, out=self._columns[:, :rows], mode="clip")
        # One comparison for all edges, then eight counters of a byte in each word.
        np.greater_equal(repeated, self._edges, out=above[:, :rows])
        sums = np.add.reduce(above.view(np.uint64), axis=1)
        reached = sums.view(np.uint8).reshape(-1, 8).sum(axis=1, dtype=np.int64)
        counts = np.empty(self._layout.bins, np.int64)
        counts[self._first] = rows - reached[self._layout.starts[:-1]]
        between = reached.copy()
        between[:-1] -= reached[1:]
        between[self._last] = reached[self._last]
        counts[self._others] = between
        return counts
