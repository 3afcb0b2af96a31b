"""Contributions are those of the training libraries, and of the definition where a library has none."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from presage_export.additive import AdditiveModel, Leaf, Split
from presage_export.bundle.explaining import Explainer, NotExplainableError
from presage_export.bundle.explaining.covers import Covers
from presage_export.bundle.session import OnnxModel
from presage_export.bundle.structure import check_graph
from presage_export.covers import read_covers
from presage_export.graph import build_graph
from presage_export.reading.source_model import WeightedSum, read_source_model
from support.export_models import FEATURE_COUNT, binary_model, labels_of, rows_of, train
from support.shapley import model_mean, shapley_values

ROWS = rows_of(1_000)
HOLES = rows_of(1_000, missing=0.2)
CLASSES = labels_of(ROWS) > 0
PROBES = rows_of(60, seed=9)
PROBES_WITH_HOLES = rows_of(60, seed=9, missing=0.2)


def explainer_of(model: AdditiveModel, rows=ROWS, covers: Covers | None = None) -> Explainer:
    graph, ensemble = check_graph(build_graph(model), feature_count=model.feature_count)
    return Explainer(graph, ensemble, covers or read_covers(model, rows), feature_count=model.feature_count)


def explained(explainer: Explainer, rows) -> np.ndarray:
    """Base and contributions, [N, 1 + F]."""
    found = [explainer.explain(row) for row in rows]
    return np.array([[explanation.base_margin, *explanation.contributions] for explanation in found])


LIGHTGBM = {
    "binary": binary_model,
    "deep": lambda: train(HOLES, labels_of(HOLES), rounds=10, objective="regression", num_leaves=200, min_data_in_leaf=1),
    "stumps and constants": lambda: train(ROWS, CLASSES, rounds=3, objective="binary", num_leaves=2, min_data_in_leaf=490),
    "bagged": lambda: train(
        HOLES, labels_of(HOLES) > 0, objective="binary", bagging_fraction=0.5, bagging_freq=1, feature_fraction=0.6
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LIGHTGBM)
def test_contributions_are_those_of_lightgbm(name):
    booster = LIGHTGBM[name]()
    theirs = booster.predict(PROBES_WITH_HOLES, pred_contrib=True, num_threads=1)
    ours = explained(explainer_of(read_source_model(booster).model), PROBES_WITH_HOLES)
    np.testing.assert_allclose(ours, np.roll(theirs, 1, axis=1), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "parameters", [{"max_depth": 6}, {"max_depth": 0, "max_leaves": 40, "grow_policy": "lossguide"}]
)
def test_contributions_are_those_of_xgboost(parameters):
    model = xgboost.XGBClassifier(n_estimators=30, n_jobs=1, **parameters).fit(HOLES, labels_of(HOLES) > 0)
    theirs = model.get_booster().predict(xgboost.DMatrix(PROBES_WITH_HOLES), pred_contribs=True)
    ours = explained(explainer_of(read_source_model(model).model), PROBES_WITH_HOLES)
    # It computes in float32, one step of which is 1.2e-7 of a number.
    allowed = 1e-6 * np.maximum(1.0, np.abs(theirs).sum(axis=1, keepdims=True))
    assert (np.abs(ours - np.roll(theirs, 1, axis=1)) <= allowed).all()


def logistic_regression():
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS.astype(np.float64), CLASSES)


BY_DEFINITION = {
    "forest of classifiers": lambda: RandomForestClassifier(5, max_depth=6, random_state=0).fit(ROWS, CLASSES),
    "forest of regressors": lambda: RandomForestRegressor(5, max_leaf_nodes=20, random_state=0).fit(
        ROWS, labels_of(ROWS), sample_weight=np.linspace(0.1, 2.0, len(ROWS))
    ),
    "extra trees": lambda: ExtraTreesRegressor(5, max_depth=6, random_state=0).fit(ROWS, labels_of(ROWS)),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=8, subsample=0.7, random_state=0).fit(ROWS, CLASSES),
    "logistic regression": logistic_regression,
    "blend of libraries": lambda: WeightedSum(
        members=(
            binary_model(rounds=3),
            xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(ROWS, CLASSES),
            logistic_regression(),
        ),
        weights=(0.5, 0.7, 0.2),
        intercept=-0.1,
        link="logit",
    ),
}


@pytest.mark.parametrize("name", BY_DEFINITION)
def test_contributions_are_those_of_the_definition(name):
    model = read_source_model(BY_DEFINITION[name]()).model
    explainer = explainer_of(model)
    means = ROWS.astype(np.float64).mean(axis=0)
    for row in PROBES[:4]:
        expected = shapley_values(model_mean(model, row, means), FEATURE_COUNT)
        (ours,) = explained(explainer, [row])
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-9 * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("name", BY_DEFINITION)
def test_contributions_add_up_to_the_margin_that_is_served(name):
    model = read_source_model(BY_DEFINITION[name]()).model
    explainer = explainer_of(model)
    served = OnnxModel(build_graph(model)).margins(PROBES)
    for row, margin in zip(PROBES, served, strict=True):
        explanation = explainer.explain(row)
        assert explanation.margin == pytest.approx(explanation.base_margin + explanation.contributions.sum(), rel=1e-9)
        assert explanation.margin == pytest.approx(float(margin), abs=1e-5, rel=1e-6)


def test_the_method_is_named():
    methods = {name: explainer_of(read_source_model(make()).model).method for name, make in BY_DEFINITION.items()}
    assert methods["boosting"] == "tree_shap"
    assert methods["logistic regression"] == "linear"
    assert methods["blend of libraries"] == "tree_shap+linear"


@st.composite
def trees(draw, depth=4):
    """A tree whose nodes may have been reached by nothing, and whose features come back on a path."""
    nodes = []

    def grow(levels, cover):
        place = len(nodes)
        nodes.append(None)
        if levels and draw(st.booleans()):
            left_cover = draw(st.integers(0, int(cover)))
            feature, threshold = draw(st.integers(0, 2)), np.float32(draw(st.integers(-2, 2)))
            left = grow(levels - 1, left_cover)
            right = grow(levels - 1, cover - left_cover)
            nodes[place] = Split(feature, threshold, draw(st.booleans()), left, right, cover)
        else:
            nodes[place] = Leaf(draw(st.floats(-3.0, 3.0, width=32)), place, cover)
        return place

    grow(depth, draw(st.integers(1, 50)))
    return tuple(nodes)


@given(
    forest=st.lists(trees(), min_size=1, max_size=3),
    values=st.lists(st.sampled_from([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, np.nan]), min_size=3, max_size=3),
)
def test_any_tree_is_explained_as_defined(forest, values):
    row = np.array(values, dtype=np.float32)
    model = AdditiveModel(feature_count=3, link="identity", trees=tuple(forest), cover_weighting="rows")
    explanation = explainer_of(model).explain(row)
    assert explanation.margin == pytest.approx(model.margins(row[None])[0], abs=1e-12)
    unreached = any(isinstance(node, Split) and not node.cover for tree in forest for node in tree)
    if not unreached:
        expected = shapley_values(model_mean(model, row, np.zeros(3)), 3)
        np.testing.assert_allclose([explanation.base_margin, *explanation.contributions], expected, rtol=0, atol=1e-12)


def test_a_model_without_covers_is_not_explained():
    model = AdditiveModel(feature_count=1, link="identity", trees=((Leaf(1.0),),))
    assert read_covers(model, np.ones((3, 1), np.float32)) is None
    graph, ensemble = check_graph(build_graph(model), feature_count=1)
    with pytest.raises(NotExplainableError, match=r"has no explain\.npz.*train or export the model again"):
        Explainer(graph, ensemble, None, feature_count=1)


def test_a_model_that_is_too_large_is_not_explained(monkeypatch):
    monkeypatch.setattr("presage_export.bundle.explaining.explainer.MAX_PATH_SPLITS", 100)
    with pytest.raises(NotExplainableError, match="at most 100 can be explained; train fewer, smaller"):
        explainer_of(read_source_model(binary_model()).model)


@pytest.mark.parametrize("row", [np.zeros(FEATURE_COUNT), np.zeros(2, np.float32), np.zeros((1, 5), np.float32)])
def test_a_row_of_another_shape_is_rejected(row):
    explainer = explainer_of(read_source_model(binary_model()).model)
    with pytest.raises(ValueError, match=r"row: expected float32 of shape \[5\], got"):
        explainer.explain(row)
