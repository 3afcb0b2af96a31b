"""The gate passes faithful exports only, and its rows are what makes it notice the others."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnxmltools import convert_lightgbm as convert_with_onnxmltools
from onnxmltools.convert.common.data_types import FloatTensorType

from presage_export.additive import Split
from presage_export.bundle.parity import compare_margins
from presage_export.bundle.session import OnnxModel
from presage_export.errors import ParityError
from presage_export.gate import boundary_rows, check_original, random_rows, special_rows
from presage_export.reading import lightgbm as lightgbm_reader
from presage_export.reading.lightgbm import read_lightgbm
from presage_export.reading.source_model import read_source_model
from support.export_models import FEATURE_COUNT, binary_model, graph_of, labels_of, margins_of, rows_of, train

ROWS = rows_of(2_000)


@pytest.fixture(scope="module")
def booster():
    # Trained on doubles, as many are: the thresholds then lie between float32 numbers.
    rows = np.random.default_rng(4).normal(size=(2_000, FEATURE_COUNT))
    return train(rows, labels_of(rows), rounds=60, objective="regression")


def _compare(booster, model_bytes, rows):
    model = OnnxModel(model_bytes)
    return compare_margins(margins_of(booster, rows), model.margins(rows), rows=rows, link="identity", trees=60)


def test_a_faithful_export_passes(booster):
    report = check_original(read_source_model(booster), OnnxModel(graph_of(booster)), ROWS)

    split_count = sum(isinstance(node, Split) for tree in read_lightgbm(booster).trees for node in tree)
    assert report.rows == len(ROWS) + 3 * split_count + len(special_rows(ROWS)) + len(random_rows(ROWS))
    assert 0 < report.max_margin_error < 1.6e-5
    assert report.max_probability_error == 0


def test_nearest_rounding_passes_on_random_rows_and_fails_on_boundary_rows(booster, monkeypatch):
    monkeypatch.setattr(lightgbm_reader, "float32_threshold", np.float32)
    rounded_to_nearest = graph_of(booster)
    monkeypatch.undo()

    assert _compare(booster, rounded_to_nearest, ROWS)
    with pytest.raises(ParityError):
        _compare(booster, rounded_to_nearest, boundary_rows(booster, ROWS))
    with pytest.raises(ParityError):
        check_original(read_source_model(booster), OnnxModel(rounded_to_nearest), ROWS)


def test_the_gate_refuses_what_onnxmltools_makes_of_the_same_model(booster):
    theirs = convert_with_onnxmltools(
        booster, initial_types=[("features", FloatTensorType([None, FEATURE_COUNT]))]
    ).SerializeToString()

    assert _compare(booster, theirs, ROWS)
    with pytest.raises(ParityError):
        check_original(read_source_model(booster), OnnxModel(theirs), ROWS)


def test_a_threshold_at_the_edge_of_zero_needs_lightgbms_own_idea_of_zero(monkeypatch):
    rows = rows_of(500)
    labels = np.sign(rows[:, 0]).astype(np.float64)
    booster = train(rows, labels, rounds=3, objective="regression")
    splits = [node for tree in read_lightgbm(booster).trees for node in tree if isinstance(node, Split)]
    assert any(-1e-34 < split.threshold < 0 for split in splits)
    assert check_original(read_source_model(booster), OnnxModel(graph_of(booster)), rows)

    monkeypatch.setattr(lightgbm_reader, "_ZERO", 0.0)
    rounded_down_only = graph_of(booster)
    monkeypatch.undo()

    with pytest.raises(ParityError):
        check_original(read_source_model(booster), OnnxModel(rounded_down_only), rows)


@pytest.mark.parametrize(
    "attribute", ["nodes_missing_value_tracks_true", "nodes_truenodeids", "target_weights_as_tensor"]
)
def test_an_altered_graph_fails_with_its_worst_row(attribute):
    rows = rows_of(500, missing=0.2)
    booster = train(rows, labels_of(rows), objective="regression")
    graph = onnx.load_from_string(graph_of(booster))
    values = {field.name: field for field in graph.graph.node[1].attribute}
    match attribute:
        case "nodes_missing_value_tracks_true":
            values[attribute].ints[0] ^= 1
        case "nodes_truenodeids":
            true_ids, false_ids = values["nodes_truenodeids"].ints, values["nodes_falsenodeids"].ints
            true_ids[0], false_ids[0] = false_ids[0], true_ids[0]
        case "target_weights_as_tensor":
            weights = onnx.numpy_helper.to_array(values[attribute].t).copy()
            weights[0] += 0.5
            values[attribute].t.CopyFrom(onnx.numpy_helper.from_array(weights, values[attribute].t.name))
    model = OnnxModel(graph.SerializeToString())

    with pytest.raises(ParityError, match="worst is row") as failure:
        check_original(read_source_model(booster), model, rows, missing_values=True)

    error = failure.value
    assert error.expected_margin == margins_of(booster, error.row[None])[0]
    assert error.actual_margin == model.margins(error.row[None])[0]


def test_missing_values_are_only_checked_if_they_will_be_served():
    rows = rows_of(500, missing=0.2)
    booster = train(rows, labels_of(rows), objective="regression")
    graph = onnx.load_from_string(graph_of(booster))
    tracks = next(field for field in graph.graph.node[1].attribute if field.name == "nodes_missing_value_tracks_true")
    tracks.ints[:] = [1 - value for value in tracks.ints]
    model, whole_rows = OnnxModel(graph.SerializeToString()), np.nan_to_num(rows)

    assert check_original(read_source_model(booster), model, whole_rows)
    with pytest.raises(ParityError):
        check_original(read_source_model(booster), model, whole_rows, missing_values=True)


def test_every_split_is_decided_on_both_sides_by_its_own_boundary_rows(booster):
    rows = boundary_rows(booster, ROWS)
    paths = [
        (tree, position) for tree in read_lightgbm(booster).trees for position in _positions_in_reading_order(tree)
    ]

    for index, (tree, position) in enumerate(paths):
        split = tree[position]
        beneath, on, above = rows[3 * index : 3 * index + 3, split.feature]
        assert beneath < on == split.threshold < above
        assert position in _visited(tree, rows[3 * index + 1])


def _positions_in_reading_order(tree):
    pending = [0]
    while pending:
        position = pending.pop()
        if isinstance(tree[position], Split):
            yield position
            pending += [tree[position].right, tree[position].left]


def _visited(tree, row):
    position, visited = 0, [0]
    while isinstance(node := tree[position], Split):
        position = node.left if row[node.feature] <= node.threshold else node.right
        visited.append(position)
    return visited


@pytest.mark.parametrize("missing_values", [False, True])
def test_random_rows_stay_inside_the_range_of_the_real_ones(missing_values):
    real = rows_of(300, missing=0.2)
    rows = random_rows(real, missing_values=missing_values)

    assert (rows.dtype, rows.shape[1]) == (np.float32, FEATURE_COUNT)
    assert np.isnan(rows).any() == missing_values
    assert (np.nanmin(rows, axis=0) >= np.nanmin(real, axis=0)).all()
    assert (np.nanmax(rows, axis=0) <= np.nanmax(real, axis=0)).all()
    assert len({row.tobytes() for row in rows} & {row.tobytes() for row in real}) < len(rows) / 10
    assert np.array_equal(rows, random_rows(real, missing_values=missing_values), equal_nan=True)
    assert not np.array_equal(rows, random_rows(real, missing_values=missing_values, seed=1), equal_nan=True)


def test_random_rows_of_infinities_are_finite_where_any_value_was():
    real = np.array([[np.inf, 1.0, np.nan], [np.inf, 3.0, np.nan]], dtype=np.float32)

    rows = random_rows(real)[::2]

    assert set(rows[:, 0]) == set(rows[:, 2]) == {0.0}
    assert rows[:, 1].min() >= 1.0
    assert rows[:, 1].max() <= 3.0


def test_special_rows_put_every_value_into_every_feature():
    rows = special_rows(ROWS, missing_values=True)

    for feature in range(FEATURE_COUNT):
        values = set(rows[:, feature].tolist())
        lowest, highest = float(ROWS[:, feature].min()), float(ROWS[:, feature].max())
        assert {0.0, float(np.float32(1e-35)), 2.0**24, np.inf, -np.inf, lowest, highest} <= values
        assert np.isnan(rows[:, feature]).any()
        assert np.signbit(rows[rows[:, feature] == 0, feature]).any()
    assert not np.isnan(special_rows(ROWS)).any()


@pytest.mark.parametrize(
    "rows", [ROWS[:, :-1], ROWS.astype(np.float64), ROWS[0], ROWS[:0]], ids=["narrow", "double", "flat", "empty"]
)
def test_rows_of_another_shape_are_refused_with_both_shapes(rows):
    booster = binary_model(rounds=1)

    with pytest.raises(ValueError, match=r"expected float32 of shape \[N > 0, 5\], got"):
        check_original(read_source_model(booster), OnnxModel(graph_of(booster)), rows)
