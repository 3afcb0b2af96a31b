"""A bundle is served as it was written, or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from functools import partial

import lightgbm
import msgspec
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
from presage_export.bundle import read_bundle, write_bundle
from presage_export.bundle.calibration import SigmoidCalibration
from presage_export.bundle.link import apply_link
from presage_export.bundle.manifest import decode_manifest, encode_manifest
from presage_export.errors import BundleError
from presage_export.lightgbm import convert_lightgbm
from support.export_models import binary_model, manifest_of, margins_of, rows_of, train, write_model

FILES = ["golden.npz", "manifest.json", "model.onnx"]


@pytest.fixture(scope="module")
def booster() -> lightgbm.Booster:
    return binary_model()


@pytest.fixture
def directory(tmp_path, booster):
    write_model(tmp_path / "conversion" / "1", booster)
    return tmp_path / "conversion" / "1"


def _replace(directory, file_name, data):
    """Replace a file and say so in the manifest, as one would who wants it to be believed."""
    (directory / file_name).write_bytes(data)
    _change_manifest(directory, files={file_name: hashlib.sha256(data).hexdigest()})


def _change_manifest(directory, *, files=None, **changes):
    path = directory / "manifest.json"
    manifest = decode_manifest(path.read_bytes())
    path.write_bytes(
        encode_manifest(msgspec.structs.replace(manifest, files=manifest.files | (files or {}), **changes))
    )


def _golden(rows=None, margins=None, **others):
    buffer = io.BytesIO()
    arrays = {"rows": rows, "margins": margins, **others}
    np.savez(buffer, **{name: array for name, array in arrays.items() if array is not None})
    return buffer.getvalue()


def _refused(directory, file_name, reason):
    with pytest.raises(BundleError, match=reason) as refusal:
        read_bundle(directory)
    assert directory / file_name == refusal.value.path
    assert str(directory / file_name) in str(refusal.value)
    assert refusal.value.reason in str(refusal.value)


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
def test_scores_are_margins_through_the_calibration_or_else_the_link(directory, calibration):
    _change_manifest(directory, calibration=calibration)
    bundle = read_bundle(directory)
    rows = rows_of(100, seed=2)
    apply = partial(apply_link, "logit") if calibration is None else calibration.apply

    scores = bundle.scores(rows)

    assert scores == [apply(margin) for margin in bundle.model.margins(rows).tolist()]
    assert scores == [bundle.scores(rows[index : index + 1])[0] for index in range(len(rows))]
    assert {type(score) for score in scores} == {float}


def test_the_same_model_gives_the_same_bytes(tmp_path, directory):
    manifest = write_model(tmp_path / "again", binary_model())

    assert manifest == read_bundle(directory).manifest
    for file_name in FILES:
        assert (directory / file_name).read_bytes() == (tmp_path / "again" / file_name).read_bytes()


def test_an_identity_model_with_large_margins_is_served(tmp_path):
    rows = rows_of(500)
    booster = train(rows, rows[:, 3].astype(np.float64) * 1e4, objective="regression")

    write_model(tmp_path / "revenue", booster)

    assert read_bundle(tmp_path / "revenue").manifest.link == "identity"


def test_a_linear_model_of_scikit_learn_is_served_too(tmp_path, booster):
    rows = rows_of(300)
    pipeline = make_pipeline(StandardScaler(), LinearRegression()).fit(rows, rows[:, 0] - rows[:, 1])
    graph = convert_sklearn(
        pipeline,
        initial_types=[("features", FloatTensorType([None, rows.shape[1]]))],
        target_opset={"": 17, "ai.onnx.ml": 3},
    )

    write_bundle(
        tmp_path / "linear",
        manifest=manifest_of(booster, link="identity", objective="least squares", trees=0),
        model_bytes=graph.SerializeToString(),
        golden_rows=rows,
        golden_margins=pipeline.predict(rows.astype(np.float64)),
    )

    assert read_bundle(tmp_path / "linear").model.feature_count == rows.shape[1]


# Writing


def test_an_existing_bundle_is_only_replaced_on_request(directory):
    before = (directory / "model.onnx").read_bytes()
    other = binary_model(rounds=3)

    with pytest.raises(BundleError, match="exists already"):
        write_model(directory, other)
    assert before == (directory / "model.onnx").read_bytes()

    write_model(directory, other, overwrite=True)
    assert read_bundle(directory).manifest.trees == 3
    assert [directory] == list(directory.parent.iterdir())


@pytest.mark.parametrize("stray", ["notes.txt", "src", ".git", "model.onnx.bak"])
def test_a_folder_that_holds_anything_but_a_bundle_is_not_replaced(directory, booster, stray):
    """Whoever named it may have meant another one."""
    if "." in stray[1:]:
        (directory / stray).write_text("precious")
    else:
        (directory / stray).mkdir()
        (directory / stray / "work.py").write_text("precious")
    before = {path: path.read_bytes() for path in directory.parent.rglob("*") if path.is_file()}

    with pytest.raises(BundleError, match=rf"holds more than a bundle \({re.escape(stray)}\); nothing was replaced"):
        write_model(directory, booster, overwrite=True)

    assert before == {path: path.read_bytes() for path in directory.parent.rglob("*") if path.is_file()}
    assert [directory] == list(directory.parent.iterdir())


def test_a_file_in_the_place_of_a_bundle_is_not_replaced(tmp_path, booster):
    (tmp_path / "1").write_text("precious")

    with pytest.raises(BundleError, match="cannot be replaced: Not a directory"):
        write_model(tmp_path / "1", booster, overwrite=True)

    assert (tmp_path / "1").read_text() == "precious"


@pytest.mark.parametrize("left", [[], ["model.onnx"], ["manifest.json", "golden.npz"]])
def test_what_is_left_of_a_bundle_is_replaced(directory, booster, left):
    for file_name in set(FILES) - set(left):
        (directory / file_name).unlink()

    write_model(directory, booster, overwrite=True)

    assert read_bundle(directory).manifest.trees == booster.num_trees()


def test_the_old_bundle_survives_where_neither_it_nor_the_new_one_can_be_moved_back(directory, booster, monkeypatch):
    """Under a hidden name, but whole."""
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    rename = type(directory).rename

    def only_leave(self, target):
        if target.name.endswith(".old"):
            return rename(self, target)
        raise OSError("disk trouble")

    monkeypatch.setattr(type(directory), "rename", only_leave)
    with pytest.raises(OSError, match="disk trouble"):
        write_model(directory, booster, overwrite=True)

    (survivor,) = directory.parent.iterdir()
    assert survivor.name.endswith(".old")
    assert before == {path.name: path.read_bytes() for path in survivor.iterdir()}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_write_that_fails_leaves_everything_as_it_was(directory, booster, monkeypatch, overwrite):
    target = directory if overwrite else directory.with_name("2")
    before = {path: path.read_bytes() for path in directory.parent.rglob("*") if path.is_file()}
    rename = type(directory).rename

    def fail_to_arrive(self, target):
        if self.name.endswith(".new"):
            raise OSError("disk trouble")
        return rename(self, target)

    monkeypatch.setattr(type(directory), "rename", fail_to_arrive)
    with pytest.raises(OSError, match="disk trouble"):
        write_model(target, booster, overwrite=overwrite)

    assert before == {path: path.read_bytes() for path in directory.parent.rglob("*") if path.is_file()}
    assert [directory] == list(directory.parent.iterdir())


def test_a_bundle_that_would_be_refused_is_not_written(tmp_path, booster):
    rows = rows_of(64)

    with pytest.raises(BundleError, match="does not reproduce"):
        write_bundle(
            tmp_path / "1",
            manifest=manifest_of(booster),
            model_bytes=convert_lightgbm(booster),
            golden_rows=rows,
            golden_margins=margins_of(booster, rows) + 0.1,
        )

    assert not list(tmp_path.iterdir())


# Reading


def test_a_directory_that_does_not_exist_is_refused(tmp_path):
    _refused(tmp_path / "nowhere", "manifest.json", "is missing")


@pytest.mark.parametrize("file_name", FILES)
def test_a_missing_file_is_refused(directory, file_name):
    (directory / file_name).unlink()

    _refused(directory, file_name, "is missing")


@pytest.mark.parametrize("file_name", FILES)
def test_a_file_that_cannot_be_read_is_refused(directory, file_name):
    (directory / file_name).unlink()
    (directory / file_name).mkdir()

    _refused(directory, file_name, "cannot be read")


@pytest.mark.parametrize("file_name", ["golden.npz", "model.onnx"])
@pytest.mark.parametrize("position", [0, 100, -1])
def test_a_flipped_bit_is_refused(directory, file_name, position):
    data = bytearray((directory / file_name).read_bytes())
    data[position] ^= 1
    (directory / file_name).write_bytes(data)

    _refused(directory, file_name, "expected SHA-256 .* altered")


def test_no_bit_of_the_manifest_can_break_the_reader(directory):
    original = (directory / "manifest.json").read_bytes()
    for position in range(len(original)):
        data = bytearray(original)
        data[position] ^= 1 << (position % 8)
        (directory / "manifest.json").write_bytes(data)
        # Some flips only change a word; the others have to be refused in our words.
        try:
            read_bundle(directory)
        except BundleError as error:
            assert error.path.parent == directory  # noqa: PT017 - both outcomes are fine, an other exception is not


@pytest.mark.parametrize("file_name", ["golden.npz", "model.onnx"])
def test_a_file_over_the_limit_is_refused(directory, monkeypatch, file_name):
    (directory / file_name).write_bytes(b"\0" * 200_000)
    monkeypatch.setattr(bundle_module, "MAX_FILE_BYTES", 199_999)

    _refused(directory, file_name, "expected at most 199999 bytes")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"format_version": 1}'])
def test_a_manifest_that_is_none_is_refused(directory, text):
    (directory / "manifest.json").write_bytes(text)

    _refused(directory, "manifest.json", "is no valid manifest")


def test_a_newer_format_is_refused_as_such(directory):
    fields = json.loads((directory / "manifest.json").read_bytes())
    (directory / "manifest.json").write_text(json.dumps(fields | {"format_version": 2, "novelty": True}))

    _refused(directory, "manifest.json", "format_version: expected 1, got 2")


@pytest.mark.parametrize("file_name", ["../../secret", "extra.bin", "manifest.json"])
def test_a_manifest_that_lists_another_file_is_refused(directory, file_name):
    _change_manifest(directory, files={file_name: "0" * 64})

    _refused(directory, "manifest.json", "files: expected golden.npz and model.onnx")


def test_a_manifest_that_lists_too_few_files_is_refused(directory):
    fields = json.loads((directory / "manifest.json").read_bytes())
    del fields["files"]["golden.npz"]
    (directory / "manifest.json").write_text(json.dumps(fields))

    _refused(directory, "manifest.json", "files: expected golden.npz and model.onnx")


def test_another_operator_is_refused_before_onnx_runtime_sees_it(directory, monkeypatch):
    model = onnx.load_from_string((directory / "model.onnx").read_bytes())
    model.graph.node.append(helper.make_node("Loop", ["margin"], ["again"], domain="evil.domain"))
    _replace(directory, "model.onnx", model.SerializeToString())
    _forbid_loading(monkeypatch)

    _refused(directory, "model.onnx", r"not allowed: evil\.domain\.Loop")


def test_an_operator_within_a_subgraph_is_refused(directory, monkeypatch):
    model = onnx.load_from_string((directory / "model.onnx").read_bytes())
    body = helper.make_graph([helper.make_node("Loop", ["a", "b"], ["c"])], "body", [], [])
    model.graph.node[0].attribute.append(helper.make_attribute("body", body))
    _replace(directory, "model.onnx", model.SerializeToString())
    _forbid_loading(monkeypatch)

    _refused(directory, "model.onnx", r"not allowed: ai\.onnx\.Loop")


def test_external_data_is_refused_before_onnx_runtime_sees_it(directory, monkeypatch):
    model = onnx.load_from_string((directory / "model.onnx").read_bytes())
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/passwd")
    model.graph.initializer.append(tensor)
    _replace(directory, "model.onnx", model.SerializeToString())
    _forbid_loading(monkeypatch)

    _refused(directory, "model.onnx", "refers to data in another file")


def test_altered_bytes_are_refused_before_onnx_runtime_sees_them(directory, monkeypatch):
    (directory / "model.onnx").write_bytes(b"anything")
    _forbid_loading(monkeypatch)

    _refused(directory, "model.onnx", "expected SHA-256")


def _forbid_loading(monkeypatch):
    def load(model_bytes):
        raise AssertionError("these bytes must not reach ONNX Runtime")

    monkeypatch.setattr(bundle_module, "OnnxModel", load)


def test_bytes_that_are_no_model_are_refused(directory):
    _replace(directory, "model.onnx", b"\xff" * 100)

    _refused(directory, "model.onnx", "is no ONNX model")


def test_a_graph_that_does_not_load_is_refused(directory):
    model = onnx.load_from_string((directory / "model.onnx").read_bytes())
    model.graph.node[0].input[0] = "nowhere"
    _replace(directory, "model.onnx", model.SerializeToString())

    _refused(directory, "model.onnx", "ONNX Runtime refuses the model")


def test_a_model_of_another_width_is_refused(directory):
    rows = rows_of(300)[:, :4]
    _replace(directory, "model.onnx", convert_lightgbm(train(rows, rows[:, 0], objective="regression")))

    _refused(directory, "model.onnx", "takes 4 features, but manifest.json names 5")


def test_another_model_is_refused_by_the_golden_rows(directory):
    _replace(directory, "model.onnx", convert_lightgbm(binary_model(rounds=19)))

    _refused(directory, "golden.npz", "does not reproduce it on this host")


def test_a_difference_that_only_a_probability_shows_is_refused(directory, booster):
    rows = rows_of(64)
    margins = margins_of(booster, rows)
    margins[np.argmin(np.abs(margins))] += 1e-5  # within the rounding of 20 trees, but visible in a probability
    _replace(directory, "golden.npz", _golden(rows, margins))

    _refused(directory, "golden.npz", "probabilities")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (lambda rows, margins: _golden(rows[:31], margins[:31]), "expected at least 32 golden rows, got 31"),
        (lambda rows, margins: _golden(rows, margins + 1e-3), "does not reproduce"),
        (lambda rows, margins: _golden(rows, np.full_like(margins, np.nan)), "does not reproduce"),
        (lambda rows, margins: _golden(rows[:, :4], margins), "rows: expected float32"),
        (lambda rows, margins: _golden(rows.astype(np.float64), margins), "rows: expected float32"),
        (lambda rows, margins: _golden(rows, margins[:-1]), "margins: expected float64"),
        (lambda rows, margins: _golden(rows, margins.astype(np.float32)), "margins: expected float64"),
        (lambda rows, _: _golden(rows), "no archive"),
        (lambda _, margins: _golden(margins=margins), "no archive"),
        (lambda rows, _: _golden(rows, np.array([{}] * len(rows), dtype=object)), "no archive"),
        (lambda _rows, _margins: b"", "no archive"),
        (lambda _rows, _margins: b"PK\x03\x04 and nothing more", "no archive"),
        (lambda rows, margins: _golden(rows, margins)[:-30], "no archive"),
        (lambda _rows, _margins: _compressed(b"\0" * 70_000_000), "bytes unpacked"),
    ],
)
def test_golden_rows_that_prove_nothing_are_refused(directory, booster, data, reason):
    rows = rows_of(64)
    _replace(directory, "golden.npz", data(rows, margins_of(booster, rows)))

    _refused(directory, "golden.npz", reason)


def _compressed(data):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.npy", data)
    return buffer.getvalue()


@pytest.mark.parametrize("file_name", ["golden.npz", "model.onnx"])
def test_broken_bytes_under_a_true_digest_are_refused_in_our_words(directory, file_name):
    original = (directory / file_name).read_bytes()
    random = np.random.default_rng(0)
    for _ in range(150):
        data = bytearray(original)
        data[random.integers(len(data))] = random.integers(256)
        _replace(directory, file_name, bytes(data))
        # A changed bit may lie where nobody reads; anything else has to be refused in our words.
        try:
            read_bundle(directory)
        except BundleError as error:
            assert error.path.parent == directory  # noqa: PT017 - both outcomes are fine, an other exception is not
