"""The parity gate: an export that differs from its source model on any row does not pass.

Random rows hardly ever find a threshold that was rounded to the wrong side. So the gate adds rows exactly on each threshold and on
its float32 neighbours, and rows with values that implementations often treat differently.
"""

from __future__ import annotations

from collections.abc import Iterator

import lightgbm
import numpy as np
from numpy.typing import NDArray

from presage_export.additive import AdditiveModel, Split, Tree
from presage_export.bundle.calibration import Calibration
from presage_export.bundle.parity import ParityReport, compare_margins
from presage_export.bundle.session import OnnxModel
from presage_export.errors import ParityError, UnsupportedModelError
from presage_export.reading.lightgbm import read_lightgbm
from presage_export.reading.source_model import SourceModel

__all__ = ["boundary_rows", "check_original", "random_rows", "special_rows"]

_INFINITY = np.float32(np.inf)
# Zeros of both signs, the edges and the inside of LightGBM's zero range, infinities, the first integer that float32 skips.
_SPECIAL_VALUES = (0.0, -0.0, 1e-35, -1e-35, 1e-45, -1e-45, 2.0**24, 2.0**24 + 1, np.inf, -np.inf)
_RANDOM_ROWS = 1_000
_MAX_SINGLE_ROWS = 20_000
_FLOAT32_STEP = 2.0**-23


def check_original(
    source: SourceModel,
    model: OnnxModel,
    rows: NDArray[np.float32],
    *,
    calibration: Calibration | None = None,
    missing_values: bool = False,
) -> ParityReport:
    """Compare an export with its source model on the given rows, ``boundary_rows``, ``special_rows`` and ``random_rows``.

    Every row must end in the leaves that the training library reports, have the library's margin within the tolerance of
    ``compare_margins``, and score the same alone and in a batch: bit for bit if the model has only trees, within one step of
    float32 if it has a linear part.

    Args:
        source: The trained model.
        model: Its export.
        rows: Real rows, float32 ``[N, F]``, N > 0; the more similar to those in production, the better.
        calibration: Replaces the link, if given.
        missing_values: Whether rows may contain NaN when serving, so that both models have to agree on it.

    Raises:
        ParityError: A row is beyond the tolerance, ends in another leaf, or depends on its batch.
        UnsupportedModelError: Rows may contain NaN, and the source model does not accept it.
        ValueError: ``rows`` is not float32 ``[N, F]``, or is empty.
    """
    additive = source.model
    _require_rows(rows, additive.feature_count)
    if missing_values and not source.takes_missing:
        raise UnsupportedModelError(
            "missing_values",
            value=True,
            why="the model does not answer for NaN",
            instead="Give missing values a number before training, or train LightGBM or XGBoost",
        )
    probes = [
        _boundary_rows(additive, rows),
        special_rows(rows, missing_values=missing_values),
        random_rows(rows, missing_values=missing_values),
    ]
    checked = np.concatenate([rows, *probes], dtype=np.float32)
    if not source.takes_infinite:
        checked = checked[~np.isinf(checked).any(axis=1)]
    expected, actual = source.margins(checked), model.margins(checked)
    _require_equal_leaves(source, checked, expected)
    report = compare_margins(
        expected, actual, rows=checked, link=additive.link, trees=len(additive.trees), calibration=calibration
    )
    _require_batch_independence(model, checked, actual, steps=1 if additive.coefficients else 0)
    return report


def boundary_rows(booster: lightgbm.Booster, base_rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Generate three rows for each split: its feature at the float32 threshold and at both float32 neighbours.

    The other features come from ``base_rows`` in turn, changed just enough that the row reaches the split.

    Args:
        booster: The model with the splits.
        base_rows: float32 ``[N, F]``, N > 0.

    Returns:
        float32 ``[3 * splits, F]``.

    Raises:
        UnsupportedModelError: The booster could not have been exported.
        ValueError: ``base_rows`` is not float32 ``[N, F]``, or is empty.
    """
    _require_rows(base_rows, booster.num_feature())
    return _boundary_rows(read_lightgbm(booster), base_rows)


def special_rows(base_rows: NDArray[np.float32], *, missing_values: bool = False) -> NDArray[np.float32]:
    """Generate rows with special values: each in one feature of a base row, and each in all features at once.

    The values are zeros of both signs, tiny numbers, 2**24 and 2**24 + 1, infinities, the smallest and the largest value of the
    feature in ``base_rows``, and NaN if ``missing_values``.

    Args:
        base_rows: float32 ``[N, F]``, N > 0.
        missing_values: Whether NaN is one of the values.

    Returns:
        float32 ``[values * (F + 1), F]``.
    """
    feature_count = base_rows.shape[1]
    constants = np.array([*_SPECIAL_VALUES, *([np.nan] if missing_values else [])], dtype=np.float32)
    # fmin and fmax ignore NaN in the base rows.
    extremes = np.stack([np.fmin.reduce(base_rows), np.fmax.reduce(base_rows)])
    values = np.concatenate([np.repeat(constants[:, None], feature_count, axis=1), extremes])
    one_feature = np.resize(base_rows, (len(values), feature_count, feature_count))
    for feature in range(feature_count):
        one_feature[:, feature, feature] = values[:, feature]
    return np.concatenate([one_feature.reshape(-1, feature_count), values])


def random_rows(base_rows: NDArray[np.float32], *, missing_values: bool = False, seed: int = 0) -> NDArray[np.float32]:
    """Generate 1,000 random rows within the range of the base rows, the same on every call.

    In every other row, each feature is uniform between its smallest and its largest finite value; in the others, the values of
    each feature are drawn from the base rows independently.

    Args:
        base_rows: float32 ``[N, F]``, N > 0.
        missing_values: Whether NaN may be drawn from the base rows.
        seed: Seed of the random numbers.

    Returns:
        float32 ``[1000, F]``.
    """
    random = np.random.default_rng(seed)
    finite = np.where(np.isfinite(base_rows), base_rows, np.nan)
    # fmin and fmax ignore NaN; a feature that is never finite stays 0.
    lowest, highest = (np.nan_to_num(extreme.reduce(finite).astype(np.float64)) for extreme in (np.fmin, np.fmax))
    between = random.uniform(size=(_RANDOM_ROWS, base_rows.shape[1])) * (highest - lowest) + lowest
    shuffled = np.take_along_axis(base_rows, random.integers(len(base_rows), size=between.shape), axis=0)
    if not missing_values:
        shuffled = np.where(np.isnan(shuffled), between, shuffled)
    between[1::2] = shuffled[1::2]
    return np.asarray(between, dtype=np.float32)


def _boundary_rows(model: AdditiveModel, base_rows: NDArray[np.float32]) -> NDArray[np.float32]:
    splits = [path for tree in model.trees for path in _paths(tree, base_rows.shape[1])]
    rows = np.empty((3 * len(splits), base_rows.shape[1]), dtype=np.float32)
    for index, (split, above, up_to) in enumerate(splits):
        # Not fmax and fmin, which would replace NaN: missing values are kept.
        reaching = np.minimum(np.maximum(base_rows[index % len(base_rows)], np.nextafter(above, _INFINITY)), up_to)
        rows[3 * index : 3 * index + 3] = reaching
        rows[3 * index : 3 * index + 3, split.feature] = split.threshold
        with np.errstate(over="ignore"):  # the upper neighbour of the largest float32 is infinity
            rows[3 * index, split.feature] = np.nextafter(split.threshold, -_INFINITY)
            rows[3 * index + 2, split.feature] = np.nextafter(split.threshold, _INFINITY)
    return rows


def _paths(tree: Tree, feature_count: int) -> Iterator[tuple[Split, NDArray[np.float32], NDArray[np.float32]]]:
    """Yield each split with the bounds ``above < value <= up_to``, float32 ``[F]``, of the rows that reach it."""
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


def _require_equal_leaves(source: SourceModel, rows: NDArray[np.float32], expected: NDArray[np.float64]) -> None:
    differing = source.leaf_ids(rows) != source.model.leaf_ids(rows)
    if differing.any():
        worst = int(np.argmax(differing.sum(axis=1)))
        raise ParityError(
            f"{np.count_nonzero(differing.any(axis=1))} of {len(rows)} rows end in another leaf",
            row_index=worst,
            row=rows[worst],
            expected_margin=float(expected[worst]),
            actual_margin=float(source.model.margins(rows[worst : worst + 1])[0]),
        )


def _require_batch_independence(
    model: OnnxModel, rows: NDArray[np.float32], together: NDArray[np.float32], *, steps: int
) -> None:
    # The boundary rows of a large forest are too many to score one by one.
    indexes = np.arange(0, len(rows), -(-len(rows) // _MAX_SINGLE_ROWS))
    alone = np.array([model.margins(rows[index : index + 1])[0] for index in indexes])
    batch = together[indexes]
    # Equal infinities differ by NaN.
    with np.errstate(invalid="ignore"):
        errors = np.where(alone == batch, 0.0, np.abs(alone.astype(np.float64) - batch))
    if not (errors <= steps * _FLOAT32_STEP * np.abs(batch)).all():
        worst = int(np.argmax(errors))
        raise ParityError(
            "a row scores differently alone and in a batch",
            row_index=int(indexes[worst]),
            row=rows[indexes[worst]],
            expected_margin=float(alone[worst]),
            actual_margin=float(batch[worst]),
        )
