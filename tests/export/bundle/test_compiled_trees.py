"""Compiled trees give ONNX Runtime's margins, bit for bit, whatever the trees and the rows."""

from __future__ import annotations

import sys

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from presage_export.bundle import compiled_trees
from presage_export.bundle.compiled_trees import CompiledTrees
from presage_export.bundle.ranking import load_ranking_bundle
from presage_export.bundle.session import OnnxModel
from presage_export.bundle.structure import check_structure
from presage_export.gate import boundary_rows, random_rows, special_rows
from presage_export.graph import build_graph
from presage_export.reading.source_model import WeightedSum, read_source_model
from support.export_models import FEATURE_COUNT, binary_model, graph_of, labels_of, rows_of, train
from support.ranking_bundles import GROUP, ranking_model, write_ranking_model

HOLES = rows_of(4_000, missing=0.2)
LABELS = labels_of(HOLES)

TREES = {
    "one leaf": lambda: train(np.zeros_like(HOLES), LABELS, objective="regression"),
    "one split": lambda: train(HOLES, LABELS, rounds=1, num_leaves=2, objective="regression"),
    "32 leaves": lambda: train(HOLES, LABELS, rounds=30, num_leaves=32, objective="regression"),
    "33 leaves": lambda: train(HOLES, LABELS, rounds=30, num_leaves=33, objective="regression"),
    "64 leaves, trained without missing values": lambda: train(
        rows_of(4_000), LABELS * 1e5, rounds=30, num_leaves=64, min_data_in_leaf=1, objective="regression"
    ),
    "lambdarank": lambda: train(HOLES, np.clip(LABELS, 0, 4).astype(int), group=[20] * 200, objective="lambdarank"),
}


@pytest.fixture(scope="module", params=TREES.values(), ids=TREES.keys())
def booster(request):
    return request.param()


@pytest.fixture(scope="module")
def both(booster):
    graph = graph_of(booster)
    trees = CompiledTrees.of(check_structure(graph, feature_count=FEATURE_COUNT), feature_count=FEATURE_COUNT)
    assert trees is not None
    return trees, OnnxModel(graph)


def _assert_equal(both, rows):
    trees, model = both
    margins = trees.margins(rows)
    assert margins.dtype == np.float32
    assert margins.tobytes() == model.margins(rows).tobytes()


def test_margins_are_equal_on_and_beside_every_threshold(booster, both):
    _assert_equal(both, boundary_rows(booster, HOLES[:50]))


@pytest.mark.parametrize("make", [special_rows, random_rows])
def test_margins_are_equal_for_special_values(both, make):
    _assert_equal(both, make(HOLES, missing_values=True))


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 127, 128, 129, 300])
def test_margins_are_equal_for_any_number_of_rows(both, count):
    _assert_equal(both, HOLES[:count])


@given(rows=arrays(np.float32, st.tuples(st.integers(0, 40), st.just(FEATURE_COUNT)), elements=st.floats(width=32)))
@settings(max_examples=30)
def test_margins_are_equal_for_any_values(both, rows):
    _assert_equal(both, rows)


def test_rows_may_be_read_only_and_need_not_be_contiguous(both):
    rows = HOLES[:40].copy()
    rows.setflags(write=False)

    _assert_equal(both, rows)
    _assert_equal(both, rows[::3])
    _assert_equal(both, np.asfortranarray(rows))


@pytest.mark.parametrize(
    "rows", [rows_of(2)[:, 1:], rows_of(2).astype(np.float64), rows_of(2)[0]], ids=["narrow", "double", "flat"]
)
def test_other_rows_are_refused(both, rows):
    with pytest.raises(ValueError, match=rf"expected float32 of shape \[N, {FEATURE_COUNT}\], got {rows.dtype}"):
        both[0].margins(rows)


def test_larger_trees_are_left_to_onnx_runtime():
    booster = train(rows_of(4_000), LABELS, rounds=2, num_leaves=65, min_data_in_leaf=1, objective="regression")

    assert CompiledTrees.of(check_structure(graph_of(booster), feature_count=FEATURE_COUNT), feature_count=5) is None


def test_a_ranking_bundle_has_compiled_trees_that_score_as_its_graph(tmp_path):
    write_ranking_model(tmp_path / "ranking" / "1", ranking_model(rounds=20))

    bundle = load_ranking_bundle(tmp_path / "ranking" / "1")
    rows = rows_of(GROUP, seed=4)

    assert bundle.trees is not None
    assert bundle.scores(rows).tobytes() == bundle.model.margins(rows).astype(np.float64).tobytes()


def test_what_compiled_trees_cannot_give_comes_from_onnx_runtime(tmp_path, monkeypatch):
    monkeypatch.setattr(CompiledTrees, "margins", lambda _, rows: np.zeros(len(rows), np.float32))
    write_ranking_model(tmp_path / "ranking" / "1", ranking_model(rounds=20))

    assert load_ranking_bundle(tmp_path / "ranking" / "1").trees is None


def test_trees_beside_a_linear_part_are_left_to_onnx_runtime():
    rows = rows_of(200)
    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows.astype(np.float64), labels_of(rows) > 0)
    stack = WeightedSum(members=(binary_model(), linear), weights=(0.5, 0.5), intercept=0.0, link="logit")
    ensemble = check_structure(build_graph(read_source_model(stack).model), feature_count=FEATURE_COUNT)

    assert ensemble is not None
    assert CompiledTrees.of(ensemble, feature_count=FEATURE_COUNT) is None


def test_without_numba_everything_is_left_to_onnx_runtime(monkeypatch):
    ensemble = check_structure(graph_of(binary_model()), feature_count=FEATURE_COUNT)
    assert CompiledTrees.of(ensemble, feature_count=FEATURE_COUNT) is not None

    compiled_trees._compiled.cache_clear()
    monkeypatch.setitem(sys.modules, "numba", None)
    assert CompiledTrees.of(ensemble, feature_count=FEATURE_COUNT) is None
    compiled_trees._compiled.cache_clear()


def test_whatever_a_damaged_cache_raises_trees_are_compiled_nevertheless(monkeypatch):
    njit, refused = numba.njit, []

    def njit_with_damage(*arguments, cache=False, **options):
        if cache:
            refused.append(ValueError("unsupported pickle protocol: 99"))
            raise refused[0]
        return njit(*arguments, **options)

    ensemble = check_structure(graph_of(binary_model()), feature_count=FEATURE_COUNT)
    compiled_trees._compiled.cache_clear()
    monkeypatch.setattr(numba, "njit", njit_with_damage)
    assert CompiledTrees.of(ensemble, feature_count=FEATURE_COUNT) is not None
    assert refused
    compiled_trees._compiled.cache_clear()
