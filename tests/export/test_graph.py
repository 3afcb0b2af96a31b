"""The exported graph against LightGBM itself, over tiny to real models."""

from __future__ import annotations

import lightgbm
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnxmltools import convert_lightgbm as convert_with_onnxmltools
from onnxmltools.convert.common.data_types import FloatTensorType

from presage_export.bundle.parity import compare_margins
from presage_export.bundle.session import OnnxModel
from presage_export.gate import check_original
from presage_export.reading.lightgbm import read_lightgbm
from presage_export.reading.source_model import read_source_model
from support.export_models import FEATURE_COUNT, binary_model, graph_of, labels_of, margins_of, rows_of, train

ROWS = rows_of(1_000)
LABELS = labels_of(ROWS)
HOLES = rows_of(1_000, missing=0.2)
HOLE_LABELS = labels_of(HOLES)
INFINITE = np.where(np.abs(ROWS) > 1_500, np.copysign(np.inf, ROWS), ROWS).astype(np.float32)
REAL_ROWS = rows_of(20_000)

LADDER = {
    "one leaf": lambda: train(np.zeros_like(ROWS), LABELS, objective="regression"),
    "one class": lambda: train(ROWS, np.zeros(len(ROWS)), objective="binary"),
    "one split": lambda: train(ROWS, LABELS, rounds=1, num_leaves=2, objective="regression"),
    "one tree": lambda: train(ROWS, LABELS > 0, rounds=1, objective="binary"),
    "extreme weights": lambda: train(ROWS, LABELS > 2.5, objective="binary", scale_pos_weight=1e4),
    "not boosted from average": lambda: train(ROWS, LABELS > 0, objective="binary", boost_from_average=False),
    "boosting continues past one leaf": lambda: train(ROWS, LABELS, objective="regression", min_gain_to_split=200.0),
    "trained with NaN": lambda: train(HOLES, HOLE_LABELS > 0, objective="binary"),
    "trained with NaN as zero": lambda: train(HOLES, HOLE_LABELS > 0, objective="binary", use_missing=False),
    "trained with infinities": lambda: train(INFINITE, LABELS > 0, objective="binary"),
    "regression_l1": lambda: train(ROWS, LABELS, objective="regression_l1"),
    "huber": lambda: train(ROWS, LABELS, objective="huber"),
    "fair": lambda: train(ROWS, LABELS, objective="fair"),
    "quantile": lambda: train(ROWS, LABELS, objective="quantile", alpha=0.9),
    "mape": lambda: train(ROWS, LABELS + 10, objective="mape"),
    "large labels": lambda: train(ROWS, LABELS * 1e6, objective="regression"),
    "lambdarank": lambda: train(ROWS, np.clip(LABELS, 0, 4).astype(int), group=[20] * 50, objective="lambdarank"),
    "rank_xendcg": lambda: train(ROWS, np.clip(LABELS, 0, 4).astype(int), group=[20] * 50, objective="rank_xendcg"),
    "dart": lambda: train(ROWS, LABELS > 0, objective="binary", boosting="dart"),
    "goss": lambda: train(ROWS, LABELS > 0, objective="binary", data_sample_strategy="goss"),
    "a real size": lambda: train(REAL_ROWS, labels_of(REAL_ROWS) > 0, rounds=100, objective="binary"),
}


@pytest.fixture(scope="module", params=LADDER.values(), ids=LADDER.keys())
def booster(request):
    return request.param()


@pytest.fixture(scope="module")
def model(booster):
    return OnnxModel(graph_of(booster))


@pytest.mark.parametrize("rows", [ROWS, HOLES, INFINITE], ids=["without NaN", "with NaN", "with infinities"])
def test_every_row_scores_as_in_lightgbm(booster, model, rows):
    report = check_original(read_source_model(booster), model, rows, missing_values=True)

    assert report.rows > len(rows)


@pytest.fixture(scope="module")
def meaning(booster):
    return {"link": read_lightgbm(booster).link, "trees": len(read_lightgbm(booster).trees)}


@settings(max_examples=20, deadline=None)
@given(rows=arrays(np.float32, (40, FEATURE_COUNT), elements=st.floats(width=32)))
def test_any_float32_row_scores_as_in_lightgbm(booster, model, meaning, rows):
    compare_margins(margins_of(booster, rows), model.margins(rows), rows=rows, **meaning)


def test_the_graph_is_one_regressor_of_doubles_of_the_pinned_opset():
    graph = onnx.load_from_string(graph_of(binary_model()))

    assert [node.op_type for node in graph.graph.node] == ["Cast", "TreeEnsembleRegressor"]
    assert {opset.domain: opset.version for opset in graph.opset_import} == {"": 17, "ai.onnx.ml": 3}
    assert graph.ir_version == 8


def test_equal_boosters_give_equal_bytes():
    assert graph_of(binary_model()) == graph_of(binary_model())


def test_a_booster_read_back_from_its_text_gives_the_same_bytes():
    booster = binary_model()

    assert graph_of(booster) == graph_of(lightgbm.Booster(model_str=booster.model_to_string()))


def test_early_stopping_exports_the_trees_that_predict_uses():
    held_out = rows_of(300, seed=5)
    data = lightgbm.Dataset(ROWS.astype(np.float64), LABELS > 0)
    booster = lightgbm.train(
        {"objective": "binary", "verbosity": -1, "num_threads": 1, "learning_rate": 0.3},
        data,
        200,
        valid_sets=[lightgbm.Dataset(held_out.astype(np.float64), labels_of(held_out, seed=5) > 0, reference=data)],
        callbacks=[lightgbm.early_stopping(5, verbose=False)],
        keep_training_booster=True,
    )

    assert 0 < booster.best_iteration < booster.num_trees()
    assert booster.best_iteration == len(read_lightgbm(booster).trees)
    assert check_original(read_source_model(booster), OnnxModel(graph_of(booster)), ROWS)


def test_onnxmltools_agrees_on_a_plain_model():
    booster = binary_model()
    theirs = convert_with_onnxmltools(
        booster, initial_types=[("features", FloatTensorType([None, FEATURE_COUNT]))], zipmap=False
    )
    session = onnxruntime.InferenceSession(theirs.SerializeToString(), providers=["CPUExecutionProvider"])
    probabilities = session.run(["probabilities"], {"features": ROWS})[0][:, 1]

    margins = OnnxModel(graph_of(booster)).margins(ROWS).astype(np.float64)

    np.testing.assert_allclose(1 / (1 + np.exp(-margins)), probabilities, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("objective", "link"), [("binary", "logit"), ("regression", "identity"), ("mape", "identity")])
def test_the_link_follows_the_objective(objective, link):
    assert link == read_lightgbm(train(ROWS, LABELS > 0, rounds=1, objective=objective)).link
