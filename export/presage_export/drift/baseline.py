"""What served features and scores look like as long as nothing has changed: ``baseline.npz`` of a bundle."""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from presage_export.array_files import FLOATS_AND_INTEGERS, read_arrays
from presage_export.drift.layout import Layout

__all__ = ["BASELINE_FILE", "HOURS_OF_WEEK", "SCORE", "WHOLE", "Baseline", "Kind", "pack_baseline", "unpack_baseline"]

BASELINE_FILE: Final = "baseline.npz"
"""Its name in a bundle."""
HOURS_OF_WEEK: Final = 168
SCORE: Final = "score"
"""The name of the last column."""

_MAX_BYTES = 64 * 1024 * 1024
_MAX_SIZES = 64
_SIGNED: Final = {"share_skews", "largest_shares"}
WHOLE: Final = 3
"""The last of four spans: the whole time of the baseline."""


class Kind(IntEnum):
    """How a column is compared."""

    ALL_HOURS = 0
    """With all hours of the baseline."""
    SAME_HOURS = 1
    """With the same hours of the week: it follows the clock."""
    NEVER = 2
    """Not at all: it follows the date, such as the month."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Baseline:
    """What rows of training looked like, and how much windows of them differed from the whole.

    The columns are the features in the order of the model, and the score. ``S`` numbers of visitors were tried.
    """

    edges: NDArray[np.float32]
    """The edges of all columns, ``[E]``; see ``Layout``."""
    starts: NDArray[np.int64]
    """Where those of each column begin and the last ones end, ``[C + 1]``."""
    kinds: NDArray[np.int64]
    """A ``Kind`` for each column."""
    defaults: NDArray[np.float64]
    """The value of a visitor without history, ``[C]``; NaN without one."""
    counts: NDArray[np.int64]
    """Rows in each bin, ``[bins]``."""
    weekly: NDArray[np.int64]
    """Rows of each hour of the week, Monday 0:00 of the shop's time zone first, in each bin, ``[168, bins]``; counted only for
    columns that follow the clock."""
    visitors: NDArray[np.int64]
    """How many visitors the rows of each column are from, ``[C]``."""
    min_visitors: NDArray[np.int64]
    """How many visitors end a window, ``[1]``."""
    sizes: NDArray[np.int64]
    """Numbers of visitors that were drawn, rising, ``[S]``."""
    distance_means: NDArray[np.float64]
    """The mean distance from the whole of so many visitors drawn from it, with their rows of a window, of two in a row, of a day,
    and of the whole time, ``[4, S, C]``."""
    distance_deviations: NDArray[np.float64]
    """The standard deviation of that distance, ``[4, S, C]``."""
    share_deviations: NDArray[np.float64]
    """The standard deviation of what one visitor brings to the shares of zeros, defaults and missing values and to the level, with
    the rows of the same four spans, ``[4, 4, C]``; that of so many visitors is their root smaller."""
    share_skews: NDArray[np.float64]
    """The skewness of the same, ``[4, 4, C]``; that of so many visitors is their root smaller, too."""
    largest_shares: NDArray[np.float64]
    """The mean and the standard deviation of the logarithm of the share of rows of the busiest of so many, ``[4, S, 2]``."""
    usual_effects: NDArray[np.float64]
    """The largest effects of the baseline's own windows, pairs of them and days, but for what is by chance, ``[3, 9, C]``: the
    distance, how much larger shares and the level became, and how much smaller."""
    usual_largest_shares: NDArray[np.float64]
    """The largest share of the busiest visitor in any window of the baseline, pair of them, and day, ``[3]``."""

    def __post_init__(self) -> None:
        layout = Layout(self.edges, self.starts)
        columns, bins, sizes = layout.columns, layout.bins, len(self.sizes)
        shapes: dict[str, tuple[int, ...]] = {
            "kinds": (columns,),
            "defaults": (columns,),
            "counts": (bins,),
            "weekly": (HOURS_OF_WEEK, bins),
            "visitors": (columns,),
            "min_visitors": (1,),
            "sizes": (sizes,),
            "distance_means": (4, sizes, columns),
            "distance_deviations": (4, sizes, columns),
            "share_deviations": (4, 4, columns),
            "share_skews": (4, 4, columns),
            "largest_shares": (4, sizes, 2),
            "usual_effects": (3, 9, columns),
            "usual_largest_shares": (3,),
        }
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape:
                raise ValueError(f"{name}: expected shape {list(shape)}, got {list(array.shape)}")
            if name != "defaults" and not (np.isfinite(array).all() and (name in _SIGNED or array.min() >= 0)):
                raise ValueError(f"{name}: expected finite numbers, none negative")
        if not 2 <= sizes <= _MAX_SIZES or self.sizes[0] < 1 or (np.diff(self.sizes) <= 0).any():
            raise ValueError(f"sizes: expected 2 to {_MAX_SIZES} rising numbers from 1 on")
        if self.min_visitors[0] < 1:
            raise ValueError(f"min_visitors: expected at least 1, got {self.min_visitors[0]}")
        if self.kinds.max() > max(Kind):
            raise ValueError(f"kinds: expected 0 to {max(Kind)}")
        if (np.add.reduceat(self.counts, layout.starts_of_bins[:-1]) < 1).any() or (self.visitors < 1).any():
            raise ValueError("counts: expected rows for each column")

    def distances_by_chance(
        self, span: int, visitors: int | NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean and the standard deviation of the distances of so many visitors, ``[C]`` each.

        Args:
            span: Whose rows they have: 0 those of a window, 1 of two, 2 of a day, 3 of the whole time.
            visitors: How many, or so many for each column.
        """
        many = np.broadcast_to(np.asarray(visitors, np.float64), (self.layout.columns,))
        means, deviations = (self._at(array[span], many) for array in (self.distance_means, self.distance_deviations))
        return means, deviations

    def _at(self, values: NDArray[np.float64], visitors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Interpolate what was found for some numbers of visitors, ``[S, C]``; beyond them it is inverse to the number."""
        nearest = np.clip(visitors, self.sizes[0], self.sizes[-1])
        above = np.clip(np.searchsorted(self.sizes, nearest), 1, len(self.sizes) - 1)
        low, high = np.log(self.sizes[above - 1]), np.log(self.sizes[above])
        weight = (np.log(nearest) - low) / (high - low)
        columns = np.arange(values.shape[1])
        logs = np.log(np.maximum(values, 1e-12))
        found = np.exp(logs[above - 1, columns] * (1.0 - weight) + logs[above, columns] * weight)
        result: NDArray[np.float64] = found * nearest / visitors
        return result

    @property
    def layout(self) -> Layout:
        """The bins."""
        return Layout(self.edges, self.starts)


def pack_baseline(baseline: Baseline) -> bytes:
    """Write a baseline; the same one gives the same bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{field.name: getattr(baseline, field.name) for field in fields(Baseline)})
    return buffer.getvalue()


def unpack_baseline(data: bytes, *, columns: int) -> Baseline:
    """Read and check a baseline.

    Args:
        data: The file.
        columns: How many features the model has, and one more for its score.

    Raises:
        ValueError: The bytes are no baseline of so many columns.
    """
    names = sorted(field.name for field in fields(Baseline))
    arrays = read_arrays(
        data,
        problem="is no baseline",
        has_names=lambda found: sorted(found) == names,
        max_bytes=_MAX_BYTES,
        dtypes=FLOATS_AND_INTEGERS,
        may_be_compressed=True,
    )
    expected = {
        "edges": "<f4",
        **dict.fromkeys(("starts", "kinds", "counts", "weekly", "visitors", "min_visitors", "sizes"), "<i8"),
    }
    for name, array in arrays.items():
        if array.dtype != np.dtype(expected.get(name, "<f8")):
            raise ValueError(f"{name}: expected {np.dtype(expected.get(name, '<f8'))}, got {array.dtype}")
    baseline = Baseline(**arrays)
    if baseline.layout.columns != columns:
        raise ValueError(f"expected {columns} columns, got {baseline.layout.columns}")
    return baseline
