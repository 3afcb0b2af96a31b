"""Golden rows prove on this host that the graph is the original model."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from presage_export.bundle import bundle as bundle_module
from presage_export.bundle.coverage import GoldenCoverage
from support.bundle_files import assert_refused, change_golden, change_manifest, replace_file
from support.export_models import binary_model, graph_of, margins_of, rows_of


def test_another_model_is_refused_by_the_golden_rows(directory):
    replace_file(directory, "model.onnx", graph_of(binary_model(rounds=19)))
    change_manifest(directory, trees=19)

    assert_refused(directory, "golden.npz", "does not reproduce it on this host|its rows reach")


def test_a_difference_that_only_a_probability_shows_is_refused(directory, booster):
    rows = rows_of(64, seed=9)
    margins = margins_of(booster, rows)
    margins[np.argmin(np.abs(margins))] += 1e-5  # within the rounding of 20 trees, but visible in a probability
    change_golden(directory, margins=margins)

    assert_refused(directory, "golden.npz", "probabilities")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            lambda rows, values: {"rows": rows[:31], "margins": values[:31], "scores": values[:31]},
            "expected at least 32",
        ),
        (lambda _, values: {"margins": values + 1e-3}, "does not reproduce"),
        (lambda _, values: {"margins": np.full_like(values, np.nan)}, "does not reproduce"),
        (lambda _, values: {"scores": np.full_like(values, 0.5)}, "scores differ; row [0-9]+ scores 0"),
        (lambda _, values: {"scores": np.full_like(values, np.nan)}, "64 of 64 scores differ"),
        (lambda rows, _: {"rows": rows[:, :4]}, "rows: expected float32"),
        (lambda rows, _: {"rows": rows.astype(np.float64)}, "rows: expected float32"),
        (lambda rows, _: {"rows": rows[::-1]}, "does not reproduce"),
        (lambda rows, _: {"rows": rows[:1].repeat(64, axis=0)}, "its rows reach .* of the leaves .* states"),
        (lambda _, values: {"margins": values[:-1]}, "margins: expected float64"),
        (lambda _, values: {"margins": values.astype(np.float32)}, "expected float64|is no archive"),
        (lambda _, values: {"curve": np.column_stack([values, values])}, "the link or the calibration"),
        (lambda _rows, _values: {"curve": np.zeros((0, 2))}, "curve: expected 1 to"),
        (lambda _rows, _values: {"curve": np.full((1, 2), np.nan)}, "the link or the calibration"),
        (lambda _rows, _values: {"margins": None}, "is no archive .* other entries"),
        (lambda _rows, values: {"more": values}, "is no archive .* other entries"),
        (lambda rows, _: {"margins": np.array([{}] * len(rows), dtype=object)}, "is no archive"),
        (lambda rows, _: {"rows": np.asfortranarray(rows)}, "is no archive .* C order"),
    ],
)
def test_golden_arrays_that_prove_nothing_are_refused(directory, booster, changes, reason):
    rows = rows_of(64, seed=9)
    change_golden(directory, **changes(rows, margins_of(booster, rows)))

    assert_refused(directory, "golden.npz", reason)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (lambda _: b"", "is no archive"),
        (lambda _: b"PK\x03\x04 and nothing more", "is no archive"),
        (lambda archive: archive[:-30], "is no archive"),
        (lambda archive: archive.replace(b"'descr': '<f4'", b"'descr': '<f4 "), "is no archive"),
        (lambda archive: archive.replace(b"(64, 5)", b"(6**99)"), "is no archive"),
        (lambda _: _zip({"rows.npy": b"\0" * 70_000_000}, zipfile.ZIP_DEFLATED), "bytes unpacked"),
        (lambda _: _zip(dict.fromkeys(ARRAYS, b"\0" * 1_000), zipfile.ZIP_DEFLATED), "is no archive .* compressed"),
        (lambda _: _zip(dict.fromkeys(ARRAYS, _header("(10**18, 20)")), zipfile.ZIP_STORED), "is no archive"),
        (lambda _: _zip(dict.fromkeys(ARRAYS, _header("(" * 900)), zipfile.ZIP_STORED), "is no archive"),
        (
            lambda _: _zip(dict.fromkeys(ARRAYS, _header("(1000000000000000000, 20)")), zipfile.ZIP_STORED),
            "is no archive",
        ),
    ],
)
def test_a_golden_file_that_is_no_archive_of_them_is_refused(directory, data, reason):
    replace_file(directory, "golden.npz", data((directory / "golden.npz").read_bytes()))

    assert_refused(directory, "golden.npz", reason)


ARRAYS = ("rows.npy", "margins.npy", "scores.npy", "curve.npy")


def _zip(entries, method):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _header(shape):
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def test_a_golden_file_that_would_take_long_to_check_is_refused(directory, monkeypatch):
    monkeypatch.setattr(bundle_module, "MAX_GOLDEN_VISITS", 1_000)

    assert_refused(directory, "golden.npz", "may visit [0-9]+ nodes, expected at most 1000")


def test_a_graph_that_fails_only_when_it_runs_is_refused(directory, booster):
    """Its declared shapes are right, and the shape of a constant is not."""
    graph = onnx.load_from_string(graph_of(booster))
    del graph.graph.node[1]
    coefficients = numpy_helper.from_array(np.ones((1, 5)), "coefficients")
    graph.graph.initializer.append(coefficients)
    graph.graph.node.append(helper.make_node("Gemm", ["features_wide", "coefficients"], ["plane"]))
    graph.graph.node.append(helper.make_node("Cast", ["plane"], ["margin"], to=1))
    replace_file(directory, "model.onnx", graph.SerializeToString())
    change_manifest(directory, trees=0, golden=GoldenCoverage(leaves=1.0, thresholds=1.0))

    assert_refused(directory, "model.onnx", "ONNX Runtime refuses|cannot be run")
