"""How much of a model its golden rows exercise."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.ensemble import Ensemble

__all__ = ["MAX_GOLDEN_VISITS", "GoldenCoverage", "RowTrace", "count_visits", "measure_coverage", "trace_rows"]

MAX_GOLDEN_VISITS: Final = 2**28
"""Most nodes that the golden rows may visit, so that a bundle is verified within seconds."""

_INFINITY = np.float32(np.inf)
_CHUNK = 2**20


class GoldenCoverage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The share of a model that the golden rows exercise, so that a change there is noticed."""

    leaves: float
    """Share of the leaves that a golden row ends in; 1 for a model without trees."""
    thresholds: float
    """Share of the splits that have a golden row exactly on their threshold, and one on the next float32 above it."""

    def __post_init__(self) -> None:
        for name in ("leaves", "thresholds"):
            if not 0.0 <= (share := getattr(self, name)) <= 1.0:
                raise ValueError(f"golden.{name}: expected 0 to 1, got {share}")


class RowTrace(msgspec.Struct, frozen=True):
    """Which nodes of an ensemble some rows exercise, each a bool for every node."""

    reached: NDArray[np.bool_]
    """Nodes that a row reached."""
    at_threshold: NDArray[np.bool_]
    """Splits where a row was exactly on the threshold."""
    above_threshold: NDArray[np.bool_]
    """Splits where a row was on the next float32 above the threshold."""


def count_visits(ensemble: Ensemble | None, row_count: int) -> int:
    """Return an upper bound of the nodes that so many rows visit."""
    return 0 if ensemble is None else row_count * len(ensemble.roots) * (ensemble.depth + 1)


def trace_rows(ensemble: Ensemble, rows: NDArray[np.float32], roots: NDArray[np.int64] | None = None) -> RowTrace:
    """Follow rows, float32 ``[N, F]``, through the trees.

    Args:
        ensemble: The trees.
        rows: The rows.
        roots: The trees to follow them through; all unless given.
    """
    trace = RowTrace(*(np.zeros(len(ensemble.is_leaf), dtype=np.bool_) for _ in range(3)))
    above = np.nextafter(ensemble.thresholds, _INFINITY)
    roots = ensemble.roots if roots is None else roots
    step = max(1, _CHUNK // max(1, len(roots)))
    for start in range(0, len(rows), step):
        chunk = rows[start : start + step]
        at = np.repeat(np.arange(len(chunk)), len(roots))
        nodes = np.tile(roots, len(chunk))
        while True:
            trace.reached[nodes] = True
            inner = ~ensemble.is_leaf[nodes]
            at, nodes = at[inner], nodes[inner]
            if not len(nodes):
                break
            values, thresholds = chunk[at, ensemble.features[nodes]], ensemble.thresholds[nodes]
            trace.at_threshold[nodes[values == thresholds]] = True
            trace.above_threshold[nodes[values == above[nodes]]] = True
            goes_left = (values <= thresholds) | (np.isnan(values) & ensemble.nan_goes_left[nodes])
            nodes = np.where(goes_left, ensemble.left[nodes], ensemble.right[nodes])
    return trace


def measure_coverage(ensemble: Ensemble | None, rows: NDArray[np.float32]) -> GoldenCoverage:
    """Measure which share of a model some rows exercise; all of a model without trees."""
    if ensemble is None:
        return GoldenCoverage(leaves=1.0, thresholds=1.0)
    trace = trace_rows(ensemble, rows)
    splits = ~ensemble.is_leaf
    exact = trace.at_threshold & trace.above_threshold
    return GoldenCoverage(leaves=_share(trace.reached, ensemble.is_leaf), thresholds=_share(exact, splits))


def _share(found: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
    total = int(np.count_nonzero(among))
    return round(int(np.count_nonzero(found & among)) / total, 6) if total else 1.0
