"""The parity gate: an export that differs from its LightGBM model on any row does not pass.

Random rows cannot find a threshold that was rounded to the wrong side, so the gate adds rows that stand on each threshold
and right beside it, and rows with values that implementations like to treat specially.
"""

from __future__ import annotations

from collections.abc import Iterator

import lightgbm
import numpy as np
from numpy.typing import NDArray

from presage_export.errors import ParityError
from presage_export.forest import Split, Tree, read_forest
from presage_export.parity import ParityReport, compare_margins
from presage_export.session import OnnxModel

__all__ = ["boundary_rows", "check_parity", "special_rows"]

_INFINITY = np.float32(np.inf)
# Zeros of both signs, LightGBM's own zero range and its outside, infinities, and the first integer without a neighbour.
_SPECIAL_VALUES = (0.0, -0.0, 1e-35, -1e-35, 1e-45, -1e-45, 2.0**24, 2.0**24 + 1, np.inf, -np.inf)


def check_parity(
    booster: lightgbm.Booster, model: OnnxModel, rows: NDArray[np.float32], *, missing_values: bool = False
) -> ParityReport:
    """Compare an export with its original on the caller's rows, on ``boundary_rows`` and on ``special_rows``.

    Every row must also score the same, bit for bit, alone and in the batch.

    Args:
        booster: The original model.
        model: Its export.
        rows: Real rows to start from, float32 ``[N, F]``, N > 0; the more like those to be served, the better.
        missing_values: Whether the model will be served NaN, and has to agree on it.

    Raises:
        ParityError: Any row is beyond the tolerance of ``compare_margins``, or depends on its batch.
        UnsupportedModelError: The booster could not have been exported.
        ValueError: ``rows`` is no float32 ``[N, F]``, or is empty.
    """
    _require_rows(rows, booster.num_feature())
    forest = read_forest(booster)
    checked = np.concatenate(
        [rows, boundary_rows(booster, rows), special_rows(rows, missing_values=missing_values)], dtype=np.float32
    )
    expected = np.asarray(booster.predict(checked, raw_score=True, num_threads=1), dtype=np.float64)
    actual = model.margins(checked)
    report = compare_margins(expected, actual, rows=checked, link=forest.link, trees=len(forest.trees))
    alone = np.array([model.margins(checked[index : index + 1])[0] for index in range(len(checked))])
    if not np.array_equal(alone, actual):
        worst = int(np.argmax(np.abs(alone - actual)))
        raise ParityError(
            "a row scores differently alone and in a batch",
            row_index=worst,
            row=checked[worst],
            expected_margin=float(alone[worst]),
            actual_margin=float(actual[worst]),
        )
    return report


def boundary_rows(booster: lightgbm.Booster, base_rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Make three rows for each split: its feature at the float32 threshold and at both float32 neighbours.

    The other features come from ``base_rows`` in turn, moved just as far as it takes to arrive at that split: a row that
    turns off on the way there would test nothing.

    Args:
        booster: The model whose splits are meant.
        base_rows: float32 ``[N, F]``, N > 0.

    Returns:
        float32 ``[3 * splits, F]``.

    Raises:
        UnsupportedModelError: The booster could not have been exported.
        ValueError: ``base_rows`` is no float32 ``[N, F]``, or is empty.
    """
    _require_rows(base_rows, booster.num_feature())
    splits = [path for tree in read_forest(booster).trees for path in _paths(tree, base_rows.shape[1])]
    rows = np.empty((3 * len(splits), base_rows.shape[1]), dtype=np.float32)
    for index, (split, above, up_to) in enumerate(splits):
        # fmax and fmin would replace NaN; a missing value finds its own way and stays.
        reaching = np.minimum(np.maximum(base_rows[index % len(base_rows)], np.nextafter(above, _INFINITY)), up_to)
        rows[3 * index : 3 * index + 3] = reaching
        rows[3 * index : 3 * index + 3, split.feature] = split.threshold
        with np.errstate(over="ignore"):  # the neighbour of the largest float32 is infinity
            rows[3 * index, split.feature] = np.nextafter(split.threshold, -_INFINITY)
            rows[3 * index + 2, split.feature] = np.nextafter(split.threshold, _INFINITY)
    return rows


def special_rows(base_rows: NDArray[np.float32], *, missing_values: bool = False) -> NDArray[np.float32]:
    """Make rows with special values: each in one feature of a base row, and each in all features at once.

    The values are zeros of both signs, tiny numbers, 2**24 and beyond, infinities, the smallest and the largest value that
    the feature has in ``base_rows``, and NaN if ``missing_values``.

    Args:
        base_rows: float32 ``[N, F]``, N > 0.
        missing_values: Whether NaN is one of the values.

    Returns:
        float32 ``[values * (F + 1), F]``.
    """
    feature_count = base_rows.shape[1]
    constants = np.array([*_SPECIAL_VALUES, *([np.nan] if missing_values else [])], dtype=np.float32)
    # fmin and fmax pass over NaN in the base rows.
    extremes = np.stack([np.fmin.reduce(base_rows), np.fmax.reduce(base_rows)])
    values = np.concatenate([np.repeat(constants[:, None], feature_count, axis=1), extremes])
    one_feature = np.resize(base_rows, (len(values), feature_count, feature_count))
    for feature in range(feature_count):
        one_feature[:, feature, feature] = values[:, feature]
    return np.concatenate([one_feature.reshape(-1, feature_count), values])


def _paths(tree: Tree, feature_count: int) -> Iterator[tuple[Split, NDArray[np.float32], NDArray[np.float32]]]:
    """Yield each split with the bounds ``above < value <= up_to``, float32 ``[F]``, of the rows that arrive at it."""
    pending = [(0, np.full(feature_count, -_INFINITY), np.full(feature_count, _INFINITY))]
    while pending:
        position, above, up_to = pending.pop()
        node = tree[position]
        if isinstance(node, Split):
            yield node, above, up_to
            up_to_left, above_right = up_to.copy(), above.copy()
            up_to_left[node.feature] = min(up_to[node.feature], node.threshold)
            above_right[node.feature] = max(above[node.feature], node.threshold)
            pending += [(node.right, above_right, up_to), (node.left, above, up_to_left)]


def _require_rows(rows: NDArray[np.float32], feature_count: int) -> None:
    if rows.dtype != np.float32 or rows.ndim != 2 or rows.shape[1] != feature_count or not len(rows):
        raise ValueError(
            f"rows: expected float32 of shape [N > 0, {feature_count}], got {rows.dtype} of shape {rows.shape}"
        )
