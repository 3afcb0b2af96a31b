"""Thresholds in float32, and what is refused for want of an equal in ONNX."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from presage_export.additive import Leaf, Split
from presage_export.errors import UnsupportedModelError
from presage_export.reading.lightgbm import float32_threshold, read_lightgbm
from support.export_models import graph_of, labels_of, rows_of, train

ROWS = rows_of(1_000)
LABELS = labels_of(ROWS)
CATEGORIES = np.column_stack([np.arange(1_000) % 7, ROWS[:, 1:]])

REFUSED = {
    # Those that a converter without an allow-list gets wrong without a word.
    "zero_as_missing": (lambda: train(ROWS, LABELS > 0, objective="binary", zero_as_missing=True), "zero_as_missing"),
    "linear_tree": (lambda: train(ROWS, LABELS, objective="regression", linear_tree=True), "linear_tree"),
    "boosting=rf": (
        lambda: train(ROWS, LABELS > 0, objective="binary", boosting="rf", bagging_fraction=0.5, bagging_freq=1),
        "boosting",
    ),
    "sigmoid": (lambda: train(ROWS, LABELS > 0, objective="binary", sigmoid=2.0), "sigmoid"),
    "reg_sqrt": (lambda: train(ROWS, LABELS, objective="regression", reg_sqrt=True), "reg_sqrt"),
    "multiclassova": (lambda: train(ROWS, LABELS > 0, objective="multiclassova", num_class=2), "multiclassova"),
    "categorical": (
        lambda: train(CATEGORIES, CATEGORIES[:, 0] % 3, objective="regression", categorical_feature=[0]),
        "categorical_feature",
    ),
    # Those that need another link, or more than one margin.
    "multiclass": (lambda: train(ROWS, LABELS > 0, objective="multiclass", num_class=2), "multiclass"),
    "cross_entropy": (lambda: train(ROWS, LABELS > 0, objective="cross_entropy"), "cross_entropy"),
    "poisson": (lambda: train(ROWS, np.abs(LABELS), objective="poisson"), "poisson"),
    "gamma": (lambda: train(ROWS, np.abs(LABELS) + 1, objective="gamma"), "gamma"),
    "tweedie": (lambda: train(ROWS, np.abs(LABELS), objective="tweedie"), "tweedie"),
    "custom": (lambda: train(ROWS, LABELS, objective=_squared_error), "custom"),
    "leaves beyond float32": (lambda: _with_leaf(1e39), "leaf_value"),
}


def _squared_error(margins, data):
    return margins - data.get_label(), np.ones_like(margins)


def _with_leaf(value: float) -> lightgbm.Booster:
    booster = train(ROWS, LABELS, rounds=1, objective="regression")
    return booster.set_leaf_output(0, 0, value)


@pytest.mark.parametrize(("make", "named"), REFUSED.values(), ids=REFUSED.keys())
def test_a_model_that_onnx_would_get_wrong_is_refused_by_name(make, named):
    booster = make()

    with pytest.raises(UnsupportedModelError, match=named) as refusal:
        graph_of(booster)

    assert refusal.value.parameter in str(refusal.value)
    assert refusal.value.parameter in {named, "objective"}


def test_a_model_without_trees_is_refused():
    booster = lightgbm.Booster({"objective": "binary", "verbosity": -1}, lightgbm.Dataset(ROWS, LABELS > 0))

    with pytest.raises(UnsupportedModelError, match="num_iterations"):
        read_lightgbm(booster)


def test_a_tree_is_read_root_first():
    forest = read_lightgbm(train(ROWS, LABELS, rounds=1, num_leaves=2, objective="regression"))

    ((root, left, right),) = forest.trees

    assert isinstance(root, Split)
    assert (root.left, root.right) == (1, 2)
    assert isinstance(left, Leaf)
    assert isinstance(right, Leaf)


def _as_lightgbm_reads(value: np.float32) -> float:
    return 0.0 if abs(float(value)) <= float(np.float32(1e-35)) else float(value)


TINY = float(np.float32(1e-35))


@given(threshold=st.floats(allow_nan=False, allow_infinity=False))
@example(threshold=TINY)
@example(threshold=-TINY)
@example(threshold=0.0)
@example(threshold=-1e-40)
@example(threshold=1e300)
@example(threshold=-1e300)
@example(threshold=0.1)
def test_a_float32_threshold_parts_the_float32_numbers_as_the_double_does(threshold):
    rounded = float32_threshold(threshold)
    infinity = np.float32(np.inf)
    with np.errstate(over="ignore"):
        beside = [rounded, np.nextafter(rounded, infinity), np.nextafter(rounded, -infinity)]
    fixed = [np.float32(value) for value in (0.0, -0.0, TINY, -TINY, 1e-45, -1e-45, np.inf, -np.inf)]

    for value in beside + fixed:
        assert (_as_lightgbm_reads(value) <= threshold) == (value <= rounded)


@given(threshold=st.floats(min_value=1e-30, max_value=1e30))
def test_a_threshold_is_the_largest_float32_that_is_not_above(threshold):
    rounded = float32_threshold(threshold)

    assert float(rounded) <= threshold < float(np.nextafter(rounded, np.float32(np.inf)))
