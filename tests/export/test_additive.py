"""One form for all models: evaluated in NumPy, summed up with weights, and built as a graph."""

from __future__ import annotations

import dataclasses

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from presage_export.additive import AdditiveModel, Leaf, Split, floor_to_float32, weighted_sum
from presage_export.bundle.onnx_wire import read_graph_contents
from presage_export.bundle.session import OnnxModel
from presage_export.bundle.structure import ALLOWED_OPERATORS
from presage_export.errors import ParityError, UnsupportedModelError
from presage_export.gate import check_original
from presage_export.graph import build_graph
from presage_export.reading.source_model import WeightedSum, read_source_model
from support.export_models import FEATURE_COUNT, binary_model, labels_of, rows_of

ROWS = rows_of(1_000)
CLASSES = labels_of(ROWS) > 0
STUMP = (Split(1, np.float32(0.5), nan_goes_left=True, left=1, right=2), Leaf(-1.0, 7), Leaf(2.0, 8))
CONSTANT = AdditiveModel(feature_count=FEATURE_COUNT, link="logit", intercept=-1.5)
TREES = AdditiveModel(feature_count=FEATURE_COUNT, link="logit", trees=(STUMP, (Leaf(0.25),)), intercept=10.0)
PLANE = AdditiveModel(
    feature_count=FEATURE_COUNT, link="logit", coefficients=(1.0, -2.0, 0.0, 0.5, 3.0), intercept=1e-3
)
BOTH = dataclasses.replace(PLANE, trees=(STUMP,))


def test_a_margin_is_the_sum_of_its_parts():
    rows = np.array([[0, 0.5, 0, 0, 0], [1, 0.6, 0, 2, 1], [0, np.nan, 0, 0, 0]], dtype=np.float32)

    assert TREES.margins(rows).tolist() == [9.25, 12.25, 9.25]
    assert TREES.leaf_ids(rows).tolist() == [[7, 0], [8, 0], [7, 0]]
    assert PLANE.margins(rows[1:2])[0] == pytest.approx(1 - 2 * np.float32(0.6) + 1 + 3 + 1e-3)
    assert CONSTANT.margins(rows).tolist() == [-1.5] * 3


@pytest.mark.parametrize("model", [CONSTANT, TREES, PLANE, BOTH], ids=["constant", "trees", "plane", "both"])
def test_the_graph_says_the_same_with_allowed_operators_only(model):
    model_bytes = build_graph(model)

    assert check_original(read_source_model(model), OnnxModel(model_bytes), ROWS).max_probability_error < 1e-7
    assert set(read_graph_contents(model_bytes).operators) <= ALLOWED_OPERATORS
    assert model_bytes == build_graph(model)


@given(weights=st.lists(st.floats(-10, 10), min_size=4, max_size=4), intercept=st.floats(-10, 10))
def test_a_weighted_sum_is_one(weights, intercept):
    models = (CONSTANT, TREES, PLANE, BOTH)
    whole = weighted_sum(models, weights, intercept=intercept, link="logit")

    expected = intercept + sum(weight * one.margins(ROWS) for weight, one in zip(weights, models, strict=True))
    np.testing.assert_allclose(whole.margins(ROWS), expected, rtol=1e-12, atol=1e-9)


def test_sums_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="expected one number of features"):
        weighted_sum([CONSTANT, dataclasses.replace(CONSTANT, feature_count=2)], [1, 1], intercept=0, link="logit")
    with pytest.raises(ValueError, match="expected one number of features"):
        weighted_sum([], [], intercept=0, link="logit")
    with pytest.raises(ValueError, match="zip"):
        weighted_sum([CONSTANT], [1, 1], intercept=0, link="logit")
    with pytest.raises(ValueError, match="coefficients: expected 0 or 5, got 2"):
        dataclasses.replace(PLANE, coefficients=(1.0, 2.0))


@given(threshold=st.floats(allow_nan=False, allow_infinity=False))
def test_a_floored_threshold_parts_the_float32_numbers_as_the_double_does(threshold):
    floor = floor_to_float32(threshold)
    with np.errstate(over="ignore"):
        above = np.nextafter(floor, np.float32(np.inf))

    assert float(floor) <= threshold < float(above)


@pytest.fixture(scope="module")
def stack():
    forest = RandomForestClassifier(20, min_samples_leaf=5, random_state=0).fit(ROWS, CLASSES)
    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS.astype(np.float64), CLASSES)
    return WeightedSum(members=(binary_model(), forest, linear), weights=(0.7, 1.5, -0.2), intercept=-0.4, link="logit")


def test_a_stack_of_libraries_passes_as_one_graph(stack):
    original = read_source_model(stack)
    model_bytes = build_graph(original.model)

    report = check_original(original, OnnxModel(model_bytes), ROWS)

    assert report.max_probability_error < 2e-7
    assert original.libraries == {"lightgbm", "scikit-learn"}
    assert not original.takes_missing
    assert {op for _, op in read_graph_contents(model_bytes).operators} == {
        "Add",
        "Cast",
        "Gemm",
        "TreeEnsembleRegressor",
    }


def test_a_stack_with_another_weight_does_not_pass(stack):
    altered = dataclasses.replace(stack, weights=(0.7, 1.5001, -0.2))

    with pytest.raises(ParityError):
        check_original(read_source_model(stack), OnnxModel(build_graph(read_source_model(altered).model)), ROWS)


def test_a_member_that_cannot_be_exported_is_named(stack):
    wrong = lightgbm.train(
        {"objective": "binary", "linear_tree": True, "verbosity": -1, "num_threads": 1},
        lightgbm.Dataset(ROWS.astype(np.float64), CLASSES),
        2,
    )

    with pytest.raises(UnsupportedModelError, match="linear_tree"):
        read_source_model(dataclasses.replace(stack, members=(wrong, *stack.members[1:])))


def test_what_no_library_trained_is_refused():
    with pytest.raises(UnsupportedModelError, match="estimator='dict'"):
        read_source_model({})
