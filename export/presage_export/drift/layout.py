"""The bins of features and scores: chosen from training rows, counted in served ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_EDGES", "Layout", "choose_edges"]

MAX_EDGES: Final = 64
"""The most edges that one column may have."""

_SMALLEST = np.finfo(np.float32).tiny
"""What is above 0: smaller numbers, which processors compute slowly, count as 0."""
_MAX_SINGLE_VALUES = 31
"""A column with no more values than this has a bin for each: the hours of a day, the days of a month."""
_QUANTILES = 10


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The bins of some columns, one after the other.

    The first bin of a column counts missing values; the others lie between its edges, the last is open. A value on an edge belongs
    to the bin above it.

    Raises:
        ValueError: A column's edges do not rise, or do not begin with minus infinity.
    """

    edges: NDArray[np.float32]
    """The edges of all columns, float32 ``[E]``."""
    starts: NDArray[np.int64]
    """Where the edges of each column begin, and where the last ones end, int64 ``[C + 1]``."""
    columns_of_edges: NDArray[np.int64] = field(init=False)
    """The column of each edge, ``[E]``."""
    starts_of_bins: NDArray[np.int64] = field(init=False)
    """Where the bins of each column begin, and where the last ones end, ``[C + 1]``."""

    def __post_init__(self) -> None:
        sizes = np.diff(self.starts)
        if not len(sizes) or self.starts[0] or self.starts[-1] != len(self.edges):
            raise ValueError(f"starts: expected rising numbers from 0 to {len(self.edges)}")
        if (sizes < 1).any() or (sizes > MAX_EDGES).any():
            raise ValueError(f"starts: expected 1 to {MAX_EDGES} edges for each column")
        rising = np.diff(self.edges) > 0
        rising[self.starts[1:-1] - 1] = True
        if not rising.all() or not (self.edges[self.starts[:-1]] == -np.inf).all():
            raise ValueError("edges: expected rising numbers for each column, the first minus infinity")
        object.__setattr__(self, "columns_of_edges", np.repeat(np.arange(len(sizes)), sizes))
        object.__setattr__(self, "starts_of_bins", self.starts + np.arange(len(self.starts)))

    @classmethod
    def of(cls, edges: Sequence[NDArray[np.float32]]) -> Layout:
        """Put the edges of some columns one after the other."""
        starts = np.cumsum([0, *map(len, edges)], dtype=np.int64)
        return cls(np.concatenate(edges).astype(np.float32), starts)

    @property
    def columns(self) -> int:
        """How many columns there are."""
        return len(self.starts) - 1

    @property
    def bins(self) -> int:
        """How many bins all columns have together."""
        return int(self.starts_of_bins[-1])

    def bins_of(self, column: int) -> slice:
        """Return where the bins of a column lie."""
        return slice(int(self.starts_of_bins[column]), int(self.starts_of_bins[column + 1]))

    def bin_at(self, column: int, value: float) -> int:
        """Return where the bin of one value alone lies, such as that of 0; -1 without one."""
        edges = self.edges[self.starts[column] : self.starts[column + 1]]
        found = np.flatnonzero(edges == np.float32(value))
        return int(self.starts_of_bins[column]) + 1 + int(found[0]) if len(found) else -1

    def bins_of_values(self, columns: NDArray[np.float32]) -> NDArray[np.int32]:
        """Find the bin of each value, int32 ``[N, C]`` of columns ``[N, C]``; for many rows at leisure."""
        places = np.empty(columns.shape, np.int32)
        for column in range(self.columns):
            edges = self.edges[self.starts[column] : self.starts[column + 1]]
            values = columns[:, column]
            place = np.searchsorted(edges, values, side="right")
            places[:, column] = np.where(np.isnan(values), 0, place) + self.starts_of_bins[column]
        return places


def choose_edges(values: NDArray[np.float32], *, default: float | None) -> NDArray[np.float32]:
    """Choose the edges of one column.

    Few different values get a bin each. Others get bins with about a tenth of the rows each; 0 and the default get bins of their
    own, and so does what is larger than anything seen.

    Args:
        values: What was seen, float32 ``[N]``; NaN is missing.
        default: The value of a visitor without history; None if there is no such value.
    """
    seen = np.unique(values[np.isfinite(values)])
    alone = {0.0} if default is None else {0.0, float(np.float32(default))}
    edges: set[float] = {float("-inf")}
    if len(seen) <= _MAX_SINGLE_VALUES:
        alone.update(seen.tolist())
    else:
        others = values[np.isfinite(values)]
        others = others[~np.isin(others, list(alone))]
        edges.update(np.quantile(others, np.linspace(0.0, 1.0, _QUANTILES + 1)[:-1], method="lower").tolist())
        edges.add(_after(float(seen[-1])))
    for value in alone:
        edges.add(value)
        # Whole numbers side by side need no edge between them.
        if value + 1.0 not in alone:
            edges.add(_after(value))
    return np.array(sorted(edges), np.float32)


def _after(value: float) -> float:
    """Return the next larger float32; after 0 the smallest that is normal."""
    return float(_SMALLEST) if value == 0.0 else float(np.nextafter(np.float32(value), np.float32(np.inf)))
