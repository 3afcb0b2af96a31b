"""Choose golden rows that exercise a model: on both sides of every threshold, and so in every leaf."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.coverage import MAX_GOLDEN_VISITS, count_visits, trace_rows
from presage_export.bundle.ensemble import Ensemble

__all__ = ["choose_golden_rows"]

_REAL_ROWS = 128
_MAX_ROWS = 8_192
_INFINITY = np.float32(np.inf)


def choose_golden_rows(
    ensemble: Ensemble | None, rows: NDArray[np.float32], *, missing_values: bool = False, others: int = 0
) -> NDArray[np.float32]:
    """Choose real rows, and change more of them until every split has a row on its threshold and one just above it.

    A model with too many splits gets rows for an even sample of those of each tree. The same arguments give the same rows.

    Args:
        ensemble: The trees of the model, if it has any.
        rows: Real rows, float32 ``[N, F]``, N > 0.
        missing_values: Whether splits also get a row whose value is missing.
        others: How many more golden rows there will be.
    """
    real = rows[:: max(1, len(rows) // _REAL_ROWS)][:_REAL_ROWS]
    if ensemble is None:
        return real
    limit = min(_MAX_ROWS, MAX_GOLDEN_VISITS // count_visits(ensemble, 1) - others)
    chosen = real
    for tree, root in enumerate(ensemble.roots):
        trace = trace_rows(ensemble, chosen, ensemble.roots[tree : tree + 1])
        exercised = trace.at_threshold & trace.above_threshold
        paths = [path for path in _paths(ensemble, int(root), rows.shape[1]) if not exercised[path[0]]]
        # An even share of what is left for this tree and those after it.
        budget = max(0, limit - len(chosen)) // (len(ensemble.roots) - tree)
        per_split = 3 if missing_values else 2
        sample = paths[:: max(1, -(-len(paths) // max(1, budget // per_split)))] if budget >= per_split else []
        made = [
            _rows_at(ensemble, path, real[index % len(real)], missing_values=missing_values)
            for index, path in enumerate(sample)
        ]
        chosen = np.concatenate([chosen, *made], dtype=np.float32)
    # A server only scores rows that are finite, or missing.
    return chosen[~np.isinf(chosen).any(axis=1)]


_Path = tuple[int, NDArray[np.float32], NDArray[np.float32]]
"""A split, and the bounds ``above < value <= up_to``, float32 ``[F]``, of the rows that reach it."""


def _paths(ensemble: Ensemble, root: int, feature_count: int) -> Iterator[_Path]:
    pending = [(root, np.full(feature_count, -_INFINITY), np.full(feature_count, _INFINITY))]
    while pending:
        node, above, up_to = pending.pop()
        if ensemble.is_leaf[node]:
            continue
        yield node, above, up_to
        feature, threshold = ensemble.features[node], ensemble.thresholds[node]
        up_to_left, above_right = up_to.copy(), above.copy()
        up_to_left[feature] = min(up_to[feature], threshold)
        above_right[feature] = max(above[feature], threshold)
        pending += [
            (int(ensemble.right[node]), above_right, up_to),
            (int(ensemble.left[node]), above, up_to_left),
        ]


def _rows_at(
    ensemble: Ensemble, path: _Path, base: NDArray[np.float32], *, missing_values: bool
) -> NDArray[np.float32]:
    node, above, up_to = path
    feature, threshold = ensemble.features[node], ensemble.thresholds[node]
    values = [threshold, np.nextafter(threshold, _INFINITY), *([np.float32(np.nan)] if missing_values else [])]
    # Not fmax and fmin, which would replace NaN: missing values are kept.
    reaching = np.minimum(np.maximum(base, np.nextafter(above, _INFINITY)), up_to)
    made = np.repeat(reaching[None], len(values), axis=0)
    made[:, feature] = values
    return made
