"""The parity gate: an export that differs from its original on any row does not pass.

Random rows cannot find a threshold that was rounded to the wrong side, so the gate adds rows that stand on each threshold
and right beside it, and rows with values that implementations like to treat specially.
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
from presage_export.reading.source_model import SourceModel, read_source_model

__all__ = ["boundary_rows", "check_original", "check_parity", "random_rows", "special_rows"]

_INFINITY = np.float32(np.inf)
# Zeros of both signs, LightGBM's own zero range and its outside, infinities, and the first integer without a neighbour.
_SPECIAL_VALUES = (0.0, -0.0, 1e-35, -1e-35, 1e-45, -1e-45, 2.0**24, 2.0**24 + 1, np.inf, -np.inf)
_RANDOM_ROWS = 1_000
_MOST_ROWS_ALONE = 20_000
_FLOAT32_STEP = 2.0**-23


def check_parity(
    booster: lightgbm.Booster, model: OnnxModel, rows: NDArray[np.float32], *, missing_values: bool = False
) -> ParityReport:
    """Compare an export with the LightGBM model that it was made of; see ``check_original``.

    Raises:
        ParityError: Any row is beyond the tolerance of ``compare_margins``, ends in another leaf, or depends on its batch.
        UnsupportedModelError: The booster could not have been exported.
        ValueError: ``rows`` is no float32 ``[N, F]``, or is empty.
    """
    _require_rows(rows, booster.num_feature())
    return check_original(read_source_model(booster), model, rows, missing_values=missing_values)


def check_original(
    original: SourceModel,
    model: OnnxModel,
    rows: NDArray[np.float32],
    *,
    calibration: Calibration | None = None,
    missing_values: bool = False,
) -> ParityReport:
    """Compare an export with its original on the caller's rows, ``boundary_rows``, ``special_rows`` and ``random_rows``.

    Every row ends in the very leaves that the training library says it does, gets the margin that it gives within the tolerance of
    ``compare_margins``, and scores the same alone and in a batch: bit for bit if the model is made of trees, within one step of
    float32 if it has a linear part.

    Args:
        original: The trained model.
        model: Its export.
        rows: Real rows to start from, float32 ``[N, F]``, N > 0; the more like those to be served, the better.
        calibration: What takes the link's place, if anything does.
        missing_values: Whether the model will be served NaN, and has to agree on it.

    Raises:
        ParityError: Any row is beyond the tolerance, ends in another leaf, or depends on its batch.
        UnsupportedModelError: The model is to be served NaN and does not take it.
        ValueError: ``rows`` is no float32 ``[N, F]``, or is empty.
    """
    read = original.model
    _require_rows(rows, read.feature_count)
    if missing_values and not original.takes_missing:
        raise UnsupportedModelError(
            "missing_values",
            value=True,
            why="the model does not answer for NaN",
            instead="Give missing values a number before training, or train LightGBM or XGBoost",
        )
    made = [
        _boundary_rows(read, rows),
        special_rows(rows, missing_values=missing_values),
        random_rows(rows, missing_values=missing_values),
    ]
    checked = np.concatenate([rows, *made], dtype=np.float32)
    if not original.takes_infinite:
        checked = checked[~np.isinf(checked).any(axis=1)]
    expected, actual = original.margins(checked), model.margins(checked)
    _require_equal_leaves(original, checked, expected)
    report = compare_margins(
        expected, actual, rows=checked, link=read.link, trees=len(read.trees), calibration=calibration
    )
    _require_equal_alone(model, checked, actual, steps=1 if read.coefficients else 0)
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
    return _boundary_rows(read_lightgbm(booster), base_rows)


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


def random_rows(base_rows: NDArray[np.float32], *, missing_values: bool = False, seed: int = 0) -> NDArray[np.float32]:
    """Make rows that never were, inside the range of those that were: 1,000, the same on every call.

    In every other row, each feature is any number between its smallest and its largest finite value; in the others, a value that it
    has in some base row, but not with the same neighbours.

    Args:
        base_rows: float32 ``[N, F]``, N > 0.
        missing_values: Whether NaN among the base rows may come up.
        seed: Another one gives other rows.

    Returns:
        float32 ``[1000, F]``.
    """
    random = np.random.default_rng(seed)
    finite = np.where(np.isfinite(base_rows), base_rows, np.nan)
    # fmin and fmax pass over NaN; a feature that is never finite stays 0.
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
        # fmax and fmin would replace NaN; a missing value finds its own way and stays.
        reaching = np.minimum(np.maximum(base_rows[index % len(base_rows)], np.nextafter(above, _INFINITY)), up_to)
        rows[3 * index : 3 * index + 3] = reaching
        rows[3 * index : 3 * index + 3, split.feature] = split.threshold
        with np.errstate(over="ignore"):  # the neighbour of the largest float32 is infinity
            rows[3 * index, split.feature] = np.nextafter(split.threshold, -_INFINITY)
            rows[3 * index + 2, split.feature] = np.nextafter(split.threshold, _INFINITY)
    return rows


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


def _require_equal_leaves(original: SourceModel, rows: NDArray[np.float32], expected: NDArray[np.float64]) -> None:
    differing = original.leaf_ids(rows) != original.model.leaf_ids(rows)
    if differing.any():
        worst = int(np.argmax(differing.sum(axis=1)))
        raise ParityError(
            f"{np.count_nonzero(differing.any(axis=1))} of {len(rows)} rows end in another leaf",
            row_index=worst,
            row=rows[worst],
            expected_margin=float(expected[worst]),
            actual_margin=float(original.model.margins(rows[worst : worst + 1])[0]),
        )


def _require_equal_alone(
    model: OnnxModel, rows: NDArray[np.float32], together: NDArray[np.float32], *, steps: int
) -> None:
    # The rows of a forest's every split are too many to be asked for one by one.
    places = np.arange(0, len(rows), -(-len(rows) // _MOST_ROWS_ALONE))
    alone = np.array([model.margins(rows[place : place + 1])[0] for place in places])
    batch = together[places]
    # Infinities are equal, and their difference is not a number.
    with np.errstate(invalid="ignore"):
        errors = np.where(alone == batch, 0.0, np.abs(alone.astype(np.float64) - batch))
    if not (errors <= steps * _FLOAT32_STEP * np.abs(batch)).all():
        worst = int(np.argmax(errors))
        raise ParityError(
            "a row scores differently alone and in a batch",
            row_index=int(places[worst]),
            row=rows[places[worst]],
            expected_margin=float(alone[worst]),
            actual_margin=float(batch[worst]),
        )
