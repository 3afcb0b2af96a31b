"""XGBoost's models through the gate: a bundle that passes, or a refusal that names the parameter."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from presage_export.additive import Leaf, Split
from presage_export.bundle.parity import compare_margins
from presage_export.bundle.session import OnnxModel
from presage_export.errors import ParityError, UnsupportedModelError
from presage_export.gate import check_original
from presage_export.graph import build_graph
from presage_export.reading.source_model import read_source_model
from support.export_models import FEATURE_COUNT, labels_of, rows_of

ROWS = rows_of(1_000)
LABELS = labels_of(ROWS)
HOLES = rows_of(1_000, missing=0.2)
CLASSES = LABELS > 0


def classifier(rows=ROWS, labels=None, **parameters):
    parameters = {"n_estimators": 40, "max_depth": 4, "learning_rate": 0.2, "n_jobs": 1} | parameters
    return xgboost.XGBClassifier(**parameters).fit(rows, CLASSES if labels is None else labels)


def regressor(labels=LABELS, **parameters):
    return xgboost.XGBRegressor(n_estimators=40, max_depth=4, n_jobs=1, **parameters).fit(ROWS, labels)


def ranker(objective):
    model = xgboost.XGBRanker(objective=objective, n_estimators=20, n_jobs=1)
    return model.fit(ROWS, np.clip(LABELS, 0, 4).astype(int), qid=np.repeat(np.arange(50), 20))


def stopped_early():
    held_out = rows_of(300, seed=5)
    model = xgboost.XGBClassifier(n_estimators=200, learning_rate=0.3, early_stopping_rounds=5, n_jobs=1)
    return model.fit(ROWS, CLASSES, eval_set=[(held_out, labels_of(held_out, seed=5) > 0)], verbose=False)


PASSING = {
    "binary": classifier,
    "trained with NaN": lambda: classifier(HOLES, labels_of(HOLES) > 0),
    "exact trees": lambda: classifier(tree_method="exact"),
    "boosted forest": lambda: classifier(n_estimators=5, num_parallel_tree=4, subsample=0.5, random_state=0),
    "few positives": lambda: classifier(labels=LABELS > 2.5),
    "extreme weights": lambda: classifier(labels=LABELS > 2.5, scale_pos_weight=1e4),
    "fixed base score": lambda: classifier(base_score=0.01),
    "one tree": lambda: classifier(n_estimators=1),
    "single leaves": lambda: classifier(np.zeros_like(ROWS)),
    "stopped early": stopped_early,
    "regression": regressor,
    "large labels": lambda: regressor(LABELS * 1e6),
    "absolute error": lambda: regressor(objective="reg:absoluteerror"),
    "pseudo-Huber": lambda: regressor(objective="reg:pseudohubererror"),
    "quantile": lambda: regressor(objective="reg:quantileerror", quantile_alpha=0.9),
    "probability of a regressor": lambda: regressor(CLASSES, objective="binary:logistic"),
    "rank:ndcg": lambda: ranker("rank:ndcg"),
    "rank:pairwise": lambda: ranker("rank:pairwise"),
}


@pytest.fixture(scope="module", params=PASSING.values(), ids=PASSING.keys())
def original(request):
    return read_source_model(request.param())


@pytest.mark.parametrize("rows", [ROWS, HOLES], ids=["without NaN", "with NaN"])
def test_every_row_scores_as_in_xgboost(original, rows):
    report = check_original(original, OnnxModel(build_graph(original.model)), rows, missing_values=True)

    assert report.rows > len(rows)


@settings(max_examples=10)
@given(rows=arrays(np.float32, (40, FEATURE_COUNT), elements=st.floats(width=32, allow_infinity=False)))
def test_any_float32_row_scores_as_in_xgboost(original, rows):
    model, read = OnnxModel(build_graph(original.model)), original.model

    compare_margins(original.margins(rows), model.margins(rows), rows=rows, link=read.link, trees=len(read.trees))


def test_a_threshold_read_as_in_lightgbm_fails_on_boundary_rows():
    original = read_source_model(classifier(tree_method="exact"))
    stepped_up = dataclasses.replace(
        original.model, trees=tuple(tuple(_stepped_up(node) for node in tree) for tree in original.model.trees)
    )
    theirs = OnnxModel(build_graph(stepped_up))

    with pytest.raises(ParityError):
        check_original(original, theirs, ROWS)
    with pytest.raises(ParityError, match="end in another leaf"):
        check_original(dataclasses.replace(original, model=stepped_up), theirs, ROWS)


def _stepped_up(node):
    if isinstance(node, Leaf):
        return node
    return Split(
        node.feature, np.nextafter(node.threshold, np.float32(np.inf)), node.nan_goes_left, node.left, node.right
    )


def test_a_graph_of_trees_adds_up_in_double():
    graph = onnx.load_from_string(build_graph(read_source_model(classifier()).model)).graph

    assert [node.op_type for node in graph.node] == ["Cast", "TreeEnsembleRegressor"]
    assert {"nodes_values_as_tensor", "target_weights_as_tensor"} <= {field.name for field in graph.node[1].attribute}


REFUSED = {
    "missing": (lambda: classifier(missing=0.0), "missing=0.0"),
    "linear": (lambda: classifier(booster="gblinear", max_depth=None), "booster='gblinear'"),
    "dart": (lambda: classifier(booster="dart", rate_drop=0.5), "booster='dart'"),
    "classes": (lambda: classifier(labels=np.digitize(LABELS, [-1, 1])), "objective='multi:softprob'"),
    "poisson": (lambda: regressor(np.abs(LABELS), objective="count:poisson"), "objective='count:poisson'"),
    "two targets": (lambda: regressor(np.stack([LABELS, LABELS], axis=1)), "objective='reg:squarederror'"),
    "booster": (lambda: classifier().get_booster(), "estimator='Booster'"),
}


@pytest.mark.filterwarnings("ignore:.*gblinear.*:UserWarning", "ignore:.*deprecated.*")
@pytest.mark.parametrize(("make", "named"), REFUSED.values(), ids=REFUSED.keys())
def test_a_model_that_onnx_would_get_wrong_is_refused_by_name(make, named):
    with pytest.raises(UnsupportedModelError, match=named):
        read_source_model(make())
