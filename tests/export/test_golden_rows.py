"""Golden rows exercise all of a model, or as much as they may."""

from __future__ import annotations

import numpy as np
import pytest

from presage_export import golden_rows as golden_rows_module
from presage_export.bundle.coverage import measure_coverage
from presage_export.bundle.structure import check_structure
from presage_export.golden_rows import choose_golden_rows
from support.export_models import binary_model, graph_of, labels_of, rows_of, train


@pytest.fixture(scope="module")
def ensemble():
    return check_structure(graph_of(binary_model()), feature_count=5)


def test_they_reach_every_leaf_and_both_sides_of_every_threshold(ensemble):
    rows = choose_golden_rows(ensemble, rows_of(500))

    coverage = measure_coverage(ensemble, rows)
    assert (coverage.leaves, coverage.thresholds) == (1.0, 1.0)
    assert measure_coverage(ensemble, rows_of(64)).leaves < 0.9
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()


def test_they_are_the_same_every_time(ensemble):
    np.testing.assert_array_equal(
        choose_golden_rows(ensemble, rows_of(500)), choose_golden_rows(ensemble, rows_of(500))
    )


def test_a_large_model_gets_a_sample_from_every_tree(ensemble, monkeypatch):
    monkeypatch.setattr(golden_rows_module, "_MAX_ROWS", 328)

    rows = choose_golden_rows(ensemble, rows_of(500))

    assert len(rows) <= 328
    assert measure_coverage(ensemble, rows).leaves > measure_coverage(ensemble, rows[:128]).leaves
    assert 0.05 < measure_coverage(ensemble, rows).thresholds < 1.0


def test_missing_values_are_tried_at_every_split_where_rows_may_have_them():
    rows = rows_of(500, missing=0.2)
    ensemble = check_structure(graph_of(train(rows, labels_of(rows), objective="regression")), feature_count=5)

    chosen = choose_golden_rows(ensemble, rows, missing_values=True)

    assert np.isnan(chosen[128:]).any(axis=1).mean() > 0.3


def test_a_model_without_trees_gets_real_rows():
    rows = rows_of(500)

    np.testing.assert_array_equal(choose_golden_rows(None, rows), rows[::3][:128])
    assert measure_coverage(None, rows).leaves == 1.0
