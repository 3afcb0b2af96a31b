"""Golden rows prove on this host that the graph is the original model."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import onnx
import pytest

from support.bundle_files import assert_refused, golden_archive, replace_file
from support.export_models import binary_model, graph_of, margins_of, rows_of


def test_another_model_is_refused_by_the_golden_rows(directory):
    replace_file(directory, "model.onnx", graph_of(binary_model(rounds=19)))

    assert_refused(directory, "golden.npz", "does not reproduce it on this host")


def test_a_difference_that_only_a_probability_shows_is_refused(directory, booster):
    rows = rows_of(64)
    margins = margins_of(booster, rows)
    margins[np.argmin(np.abs(margins))] += 1e-5  # within the rounding of 20 trees, but visible in a probability
    replace_file(directory, "golden.npz", golden_archive(rows, margins))

    assert_refused(directory, "golden.npz", "probabilities")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (lambda rows, margins: golden_archive(rows[:31], margins[:31]), "expected at least 32 golden rows, got 31"),
        (lambda rows, margins: golden_archive(rows, margins + 1e-3), "does not reproduce"),
        (lambda rows, margins: golden_archive(rows, np.full_like(margins, np.nan)), "does not reproduce"),
        (lambda rows, margins: golden_archive(rows[:, :4], margins), "rows: expected float32"),
        (lambda rows, margins: golden_archive(rows.astype(np.float64), margins), "rows: expected float32"),
        (lambda rows, margins: golden_archive(rows, margins[:-1]), "margins: expected float64"),
        (lambda rows, margins: golden_archive(rows, margins.astype(np.float32)), "margins: expected float64"),
        (lambda rows, _: golden_archive(rows), "no archive"),
        (lambda _, margins: golden_archive(margins=margins), "no archive"),
        (lambda rows, _: golden_archive(rows, np.array([{}] * len(rows), dtype=object)), "no archive"),
        (lambda _rows, _margins: b"", "no archive"),
        (lambda _rows, _margins: b"PK\x03\x04 and nothing more", "no archive"),
        (lambda rows, margins: golden_archive(rows, margins)[:-30], "no archive"),
        (lambda _rows, _margins: _compressed(b"\0" * 70_000_000), "bytes unpacked"),
    ],
)
def test_golden_rows_that_prove_nothing_are_refused(directory, booster, data, reason):
    rows = rows_of(64)
    replace_file(directory, "golden.npz", data(rows, margins_of(booster, rows)))

    assert_refused(directory, "golden.npz", reason)


def _compressed(data):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.npy", data)
    return buffer.getvalue()


def test_a_graph_that_fails_only_when_it_runs_is_refused(directory, booster):
    graph = onnx.load_from_string(graph_of(booster))
    features = next(field for field in graph.graph.node[1].attribute if field.name == "nodes_featureids")
    features.ints[0] = 12
    replace_file(directory, "model.onnx", graph.SerializeToString())

    assert_refused(directory, "model.onnx", "cannot be run: .*requests feature 12")
