"""Names of bins, such as "0", "1 to 2.5" and "above 90"."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["label_bins"]

MISSING = "missing"


def label_bins(edges: NDArray[np.float32]) -> list[str]:
    """Name the bins of one column: that of missing values, then one from each edge to the next; the last is open.

    Args:
        edges: The column's, rising, the first minus infinity.
    """
    finite = edges[1:]
    # A value that stands alone ends at the next larger float, which is no number that anybody wants to read.
    is_whole = bool((np.abs(finite - np.round(finite)) < 1e-5).all())
    labels = [MISSING]
    for place, low in enumerate(edges):
        high = edges[place + 1] if place + 1 < len(edges) else np.float32(np.inf)
        labels.append(_label(low, high, is_whole=is_whole))
    return labels


def _label(low: np.float32, high: np.float32, *, is_whole: bool) -> str:
    if np.isinf(low):
        return "any" if np.isinf(high) else f"below {_number(high)}"
    if np.isinf(high):
        return f"above {_number(low)}" if _is_after_a_value(low) or not is_whole else f"{_number(low)} or more"
    if _number(low) == _number(high) or high <= _next(low):
        return _number(low)
    if is_whole:
        first = round(float(low)) + _is_after_a_value(low)
        last = round(float(high)) - 1 + _is_after_a_value(high)
        return str(first) if first >= last else f"{first:,} to {last:,}"
    return f"{_number(low)} to {_number(high)}"


def _is_after_a_value(edge: np.float32) -> bool:
    """Whether an edge only closes the bin of the whole number below it."""
    return bool(edge != np.round(edge) and edge > np.round(edge))


def _next(value: np.float32) -> np.float32:
    return np.float32(np.finfo(np.float32).tiny) if value == 0 else np.nextafter(value, np.float32(np.inf))


def _number(value: np.float32) -> str:
    shown = float(value)
    if abs(shown) < np.finfo(np.float32).tiny * 2:
        return "0"
    return f"{shown:,.0f}" if abs(shown) >= 1_000 else f"{shown:.4g}"
