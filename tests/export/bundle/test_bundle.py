"""A bundle is served as it was written, or not at all."""

from __future__ import annotations

import os
from functools import partial

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from presage_export.bundle import bundle as bundle_module
from presage_export.bundle import files, read_bundle, write_bundle
from presage_export.bundle.calibration import SigmoidCalibration
from presage_export.bundle.link import apply_link
from presage_export.errors import BundleError
from support.bundle_files import FILES, assert_refused, replace_file
from support.export_models import graph_of, manifest_of, margins_of, rows_of, train, write_model


def test_a_bundle_serves_what_was_written(directory, booster):
    bundle = read_bundle(directory)

    rows = rows_of(100, seed=2)
    np.testing.assert_allclose(bundle.model.margins(rows), margins_of(booster, rows), rtol=0, atol=1e-5)
    assert (
        bundle.manifest.name,
        bundle.manifest.version,
        bundle.manifest.link,
        bundle.manifest.trees,
    ) == ("conversion", "1", "logit", 20)
    assert sorted(path.name for path in directory.iterdir()) == FILES


@pytest.mark.parametrize("calibration", [None, SigmoidCalibration(a=0.7, b=-0.1)])
def test_scores_are_margins_through_the_calibration_or_else_the_link(directory, booster, calibration):
    rows = rows_of(100, seed=2)
    write_bundle(
        directory,
        manifest=manifest_of(booster, calibration=calibration),
        model_bytes=graph_of(booster),
        golden_rows=rows,
        golden_margins=margins_of(booster, rows),
        overwrite=True,
    )
    bundle = read_bundle(directory)
    apply = partial(apply_link, "logit") if calibration is None else calibration.apply

    scores = bundle.scores(rows)

    assert scores == [apply(margin) for margin in bundle.model.margins(rows).tolist()]
    assert scores == [bundle.scores(rows[index : index + 1])[0] for index in range(len(rows))]
    assert {type(score) for score in scores} == {float}


def test_an_identity_model_with_large_margins_is_served(tmp_path):
    rows = rows_of(500)
    booster = train(rows, rows[:, 3].astype(np.float64) * 1e4, objective="regression")

    write_model(tmp_path / "revenue" / "1", booster)

    assert read_bundle(tmp_path / "revenue" / "1").manifest.link == "identity"


def test_a_linear_model_of_scikit_learn_is_served_too(tmp_path, booster):
    rows = rows_of(300)
    pipeline = make_pipeline(StandardScaler(), LinearRegression()).fit(rows, rows[:, 0] - rows[:, 1])
    graph = convert_sklearn(
        pipeline,
        initial_types=[("features", FloatTensorType([None, rows.shape[1]]))],
        target_opset={"": 17, "ai.onnx.ml": 3},
    )

    write_bundle(
        tmp_path / "linear" / "1",
        manifest=manifest_of(booster, name="linear", link="identity", objective="least squares", trees=0),
        model_bytes=graph.SerializeToString(),
        golden_rows=rows,
        golden_margins=pipeline.predict(rows.astype(np.float64)),
    )

    assert read_bundle(tmp_path / "linear" / "1").model.feature_count == rows.shape[1]


# Verification


def test_a_directory_that_does_not_exist_is_refused(tmp_path):
    assert_refused(tmp_path / "nowhere", "manifest.json", "is missing")


@pytest.mark.parametrize("file_name", FILES)
def test_a_missing_file_is_refused(directory, file_name):
    (directory / file_name).unlink()

    assert_refused(directory, file_name, "is missing")


@pytest.mark.parametrize("file_name", FILES)
def test_a_file_that_cannot_be_read_is_refused(directory, file_name):
    (directory / file_name).unlink()
    (directory / file_name).mkdir()

    assert_refused(directory, file_name, "cannot be read")


@pytest.mark.parametrize("file_name", ["golden.npz", "model.onnx"])
@pytest.mark.parametrize("position", [0, 100, -1])
def test_a_flipped_bit_is_refused(directory, file_name, position):
    data = bytearray((directory / file_name).read_bytes())
    data[position] ^= 1
    (directory / file_name).write_bytes(data)

    assert_refused(directory, file_name, "expected SHA-256 .* altered")


def test_no_bit_of_the_manifest_can_be_flipped(directory):
    original = (directory / "manifest.json").read_bytes()
    manifest = read_bundle(directory).manifest
    for position in range(len(original)):
        data = bytearray(original)
        data[position] ^= 1 << (position % 8)
        (directory / "manifest.json").write_bytes(data)
        # A flip within the layout of the text, or of an escape, changes nothing; all others are refused.
        try:
            assert read_bundle(directory).manifest == manifest
        except BundleError as error:
            assert error.path.parent == directory  # noqa: PT017 - both outcomes are fine, an other exception is not


@pytest.mark.parametrize("file_name", ["golden.npz", "model.onnx"])
def test_a_file_over_the_limit_is_refused(directory, monkeypatch, file_name):
    (directory / file_name).write_bytes(b"\0" * 200_000)
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 199_999)

    assert_refused(directory, file_name, "expected at most 199999 bytes")


def test_a_pipe_is_refused_and_not_waited_for(directory):
    (directory / "golden.npz").unlink()
    os.mkfifo(directory / "golden.npz")

    assert_refused(directory, "golden.npz", "cannot be read: expected a regular file")


def test_another_operator_is_refused_before_onnx_runtime_sees_it(directory, monkeypatch):
    model = onnx.load_from_string((directory / "model.onnx").read_bytes())
    model.graph.node.append(helper.make_node("Loop", ["margin"], ["again"], domain="evil.domain"))
    replace_file(directory, "model.onnx", model.SerializeToString())
    _forbid_loading(monkeypatch)

    assert_refused(directory, "model.onnx", r"not allowed: evil\.domain\.Loop")


def test_an_operator_within_a_subgraph_is_refused(directory, monkeypatch):
    model = onnx.load_from_string((directory / "model.onnx").read_bytes())
    body = helper.make_graph([helper.make_node("Loop", ["a", "b"], ["c"])], "body", [], [])
    model.graph.node[0].attribute.append(helper.make_attribute("body", body))
    replace_file(directory, "model.onnx", model.SerializeToString())
    _forbid_loading(monkeypatch)

    assert_refused(directory, "model.onnx", r"not allowed: ai\.onnx\.Loop")


def test_external_data_is_refused_before_onnx_runtime_sees_it(directory, monkeypatch):
    model = onnx.load_from_string((directory / "model.onnx").read_bytes())
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/passwd")
    model.graph.initializer.append(tensor)
    replace_file(directory, "model.onnx", model.SerializeToString())
    _forbid_loading(monkeypatch)

    assert_refused(directory, "model.onnx", "refers to data in another file")


def test_altered_bytes_are_refused_before_onnx_runtime_sees_them(directory, monkeypatch):
    (directory / "model.onnx").write_bytes(b"anything")
    _forbid_loading(monkeypatch)

    assert_refused(directory, "model.onnx", "expected SHA-256")


def _forbid_loading(monkeypatch):
    def load(model_bytes):
        raise AssertionError("these bytes must not reach ONNX Runtime")

    monkeypatch.setattr(bundle_module, "OnnxModel", load)


def test_bytes_that_are_no_model_are_refused(directory):
    replace_file(directory, "model.onnx", b"\xff" * 100)

    assert_refused(directory, "model.onnx", "is no ONNX model")


def test_a_graph_that_does_not_load_is_refused(directory):
    model = onnx.load_from_string((directory / "model.onnx").read_bytes())
    model.graph.node[1].input[0] = "nowhere"
    replace_file(directory, "model.onnx", model.SerializeToString())

    assert_refused(directory, "model.onnx", "ONNX Runtime refuses the model")


def test_names_that_are_no_text_are_refused_before_onnx_runtime_sees_them(directory, monkeypatch):
    model = onnx.load_from_string((directory / "model.onnx").read_bytes())
    model.graph.node[1].input[0] = "nowhere"
    replace_file(directory, "model.onnx", model.SerializeToString().replace(b"nowhere", b"\xffowhere"))
    _forbid_loading(monkeypatch)

    assert_refused(directory, "model.onnx", "not UTF-8")


def test_a_model_of_another_width_is_refused(directory):
    rows = rows_of(300)[:, :4]
    replace_file(directory, "model.onnx", graph_of(train(rows, rows[:, 0], objective="regression")))

    assert_refused(directory, "model.onnx", "takes 4 features, but manifest.json names 5")
