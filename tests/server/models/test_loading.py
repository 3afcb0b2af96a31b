"""Which bundles of a folder are served, and which keep the server from starting."""

from __future__ import annotations

import ast
import dataclasses
import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from presage_export.bundle import read_bundle
from presage_export.bundle.link import apply_link_array
from presage_export.registry import folders
from presage_featurizer import CONVERSION, CORE
from presage_featurizer.custom import CustomFeatures
from presage_server.errors import ModelError, ModelNotFoundError
from presage_server.models.loading import load_model, load_models
from support.bundle_files import change_manifest, copy_bundle
from support.bundles import PARIS, train_small, write_small_bundle
from support.export_models import margins_of
from support.projects import DECLARATION, SOURCE, custom_features


@pytest.fixture
def folder(models, tmp_path):
    """A folder of bundles that a test may change."""
    return shutil.copytree(models, tmp_path / "models")


def test_models_are_found_by_name_and_the_empty_name_is_the_defaults(models):
    served = load_models(models)
    assert [(model.name, model.version) for model in served] == [("conversion", "1"), ("second", "2")]
    assert served[""] is served["conversion"]
    assert load_models(models, "second")[""].name == "second"
    with pytest.raises(ModelNotFoundError, match=r"model: expected one of \['conversion', 'second'\], got 'third'"):
        served["third"]


def test_a_model_that_is_alone_is_the_default(folder):
    shutil.rmtree(folder / "conversion")
    assert load_models(folder)[""].name == "second"


def test_a_default_that_is_not_there_is_refused(folder):
    with pytest.raises(ModelError, match=r"default_model: expected one of .* got 'third'"):
        load_models(folder, "third")
    shutil.rmtree(folder / "conversion")
    copy_bundle(folder / "second" / "2", folder / "other" / "2")
    with pytest.raises(ModelError, match=r"default_model: expected one of .* got 'conversion'; name it with"):
        load_models(folder)


def test_feature_sets_are_ours_and_the_models(models):
    served = load_models(models)
    assert served.feature_set("") == CONVERSION
    assert [served.feature_set(name) for name in ("conversion", "core", "paris")] == [CONVERSION, CORE, PARIS]
    with pytest.raises(ModelNotFoundError, match="feature_set: expected one of"):
        served.feature_set("none")


@pytest.mark.parametrize(
    "versions", [["1", "2", "10"], ["1.9", "1.10"], ["1", "1.0.1"], ["9", "10"], ["2.9.9.9", "10.0.0.1"]]
)
def test_the_highest_version_is_served(folder, versions):
    for version in versions[::-1]:
        copy_bundle(folder / "second" / "2", folder / "many" / version)
    assert load_models(folder)["many"].version == versions[-1]


@pytest.mark.parametrize("stray", ["latest", "v3", "3.rc", "3-old", "1.2.3.4.5", "9" * 10, "٣", "3 "])
def test_a_folder_whose_name_is_no_number_is_left_aside_with_a_word(folder, caplog, stray):
    shutil.copytree(folder / "second" / "2", folder / "second" / stray)
    shutil.copytree(folder / "second" / "2", folder / "third" / stray)
    assert [(model.name, model.version) for model in load_models(folder)] == [("conversion", "1"), ("second", "2")]
    for name in ("second", "third"):
        assert f"{folder / name / stray} is left aside: versions are numbers" in caplog.text


def test_two_sets_of_one_name_are_refused_by_the_models_names(folder):
    """In London they would have other hours; the same set twice is none too many."""
    write_small_bundle(folder, name="third", feature_set=PARIS)
    assert load_models(folder).feature_set("paris") == PARIS
    write_small_bundle(folder, name="fourth", feature_set=dataclasses.replace(PARIS, time_zone="Europe/London"))
    with pytest.raises(ModelError, match="models: fourth and second have different feature sets, both called 'paris'"):
        load_models(folder)


def test_what_is_hidden_or_empty_or_a_file_is_no_bundle(folder):
    """A bundle is written under a hidden name, and may be left there half-written."""
    (folder / "conversion" / ".2.0123.new").mkdir()
    (folder / "conversion" / ".2.0123.new" / "manifest.json").write_text("{")
    (folder / ".hidden" / "1").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "README.md").write_text("")
    assert [(model.name, model.version) for model in load_models(folder)] == [("conversion", "1"), ("second", "2")]


def test_a_folder_without_bundles_is_refused(tmp_path):
    for directory in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ModelError, match="models: no bundle found under"):
            load_models(directory)


def flip_last_bit(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def edit_feature_set(bundle, **changes):
    manifest = read_bundle(bundle).manifest
    change_manifest(bundle, feature_set=msgspec.structs.replace(manifest.feature_set, **changes))


BREAKAGES = {
    "model.onnx: expected SHA-256 .*altered": lambda bundle: flip_last_bit(bundle / "model.onnx"),
    "golden.npz: expected SHA-256 .*altered": lambda bundle: flip_last_bit(bundle / "golden.npz"),
    "model.onnx: is missing": lambda bundle: (bundle / "model.onnx").unlink(),
    "golden.npz: is missing": lambda bundle: (bundle / "golden.npz").unlink(),
    "manifest.json: is missing": lambda bundle: (bundle / "manifest.json").unlink(),
    "manifest.json: is not a valid manifest": lambda bundle: (bundle / "manifest.json").write_text("{"),
    "manifest.json: feature_set.fingerprint: expected 0{64}, got .* train the model again": lambda bundle: (
        edit_feature_set(bundle, fingerprint="0" * 64)
    ),
    "manifest.json: feature_set.features: .* not in the catalogue": lambda bundle: edit_feature_set(
        bundle, features=("unheard_of", *PARIS.features[1:])
    ),
    "manifest.json: feature_set.time_zone: expected an IANA name": lambda bundle: edit_feature_set(
        bundle, time_zone="Mars/Olympus"
    ),
    "manifest.json: name: expected 'second', as the folder is called, got 'first'": lambda bundle: change_manifest(
        bundle, name="first"
    ),
}


@pytest.mark.parametrize("message", BREAKAGES)
def test_a_broken_or_tampered_bundle_is_refused_by_file_and_reason(folder, message):
    bundle = folder / "second" / "2"
    BREAKAGES[message](bundle)
    with pytest.raises(ModelError, match=f"second/2/{message}"):
        load_models(folder)


@pytest.mark.parametrize("message", BREAKAGES)
def test_of_a_model_whose_newest_version_is_broken_an_older_one_is_served_with_a_word(folder, caplog, message):
    for version in ("3", "4"):
        copy_bundle(folder / "second" / "2", folder / "second" / version)
    BREAKAGES[message](folder / "second" / "4")

    served = load_models(folder)

    assert served["second"].version == "3"
    assert served.rejected == {"conversion": 0, "second": 1}
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert line.startswith("serving version 3 of second, because a newer one is rejected: ")
    assert re.search(f"second/4/{message}", line)


def test_of_a_model_without_a_valid_version_the_newest_is_named(folder):
    copy_bundle(folder / "second" / "2", folder / "second" / "10")
    for version in ("2", "10"):
        (folder / "second" / version / "model.onnx").unlink()

    with pytest.raises(ModelError, match=r"second/10/model\.onnx: is missing"):
        load_models(folder)


@pytest.mark.parametrize("hidden", [".", "second"])
def test_a_folder_that_cannot_be_read_is_refused_by_name(folder, monkeypatch, hidden):
    scandir, unreadable = os.scandir, folder / hidden

    def fail(path):
        if Path(path) == unreadable:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(folders.os, "scandir", fail)
    with pytest.raises(ModelError, match=f"models: {unreadable} cannot be read: Permission denied"):
        load_models(folder)


def test_a_model_predicts_what_the_original_does_and_a_batch_as_its_rows(models):
    model = load_model(models / "conversion" / "1")
    rows = np.random.default_rng(7).exponential(5.0, size=(500, 20)).astype(np.float32)
    predicted = model.predict(rows)
    expected = apply_link_array("logit", margins_of(train_small(), rows))
    np.testing.assert_allclose(predicted, expected, rtol=0, atol=1e-6)
    assert predicted == [model.predict(rows[position : position + 1])[0] for position in range(len(rows))]


def test_serving_imports_nothing_of_the_training_side_and_reports_nothing(models):
    """In a process of its own, because this one has imported everything."""
    program = f"""
import os, sys
from pathlib import Path
from presage_server import app as service
from presage_server.cli import command_line
from presage_server.cli import serve as commands
from presage_server.models.loading import load_models
load_models(Path({str(models)!r}))
print(sorted({{name.partition(".")[0] for name in sys.modules}}), os.environ["ORT_DISABLE_TELEMETRY"], sep="|")
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules, telemetry_off = finished.stdout.strip().split("|")
    unwanted = {
        "presage_training",
        "presage_client",
        "lightgbm",
        "sklearn",
        "onnx",
        "pyarrow",
        "pandas",
        "joblib",
        "torch",
    }
    assert unwanted.intersection(ast.literal_eval(modules)) == set()
    assert telemetry_off == "1"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with a model of a project's own features."""
    folder = tmp_path_factory.mktemp("project")
    write_small_bundle(folder, name="own", feature_set=custom_features().feature_set)
    return folder


class TestOwnFeatures:
    def test_a_model_of_a_project_is_served_with_it(self, project):
        custom = custom_features()
        served = load_models(project, custom=custom)
        assert served[""].feature_set == custom.feature_set
        assert served[""].feature_set.aggregates == custom.aggregates

    def test_without_the_project_it_is_rejected_by_the_features_name(self, project):
        with pytest.raises(ModelError, match=r"manifest.json: feature_set.custom: 'brands_viewed' is .*--project"):
            load_models(project)

    def test_so_it_is_with_another_project(self, project):
        other = CustomFeatures.parse(DECLARATION.replace("cap = 64", "cap = 63"), SOURCE)
        with pytest.raises(ModelError, match=r"feature_set.custom: the project defines 'brands_viewed' as"):
            load_models(project, custom=other)

    def test_the_set_of_the_project_can_be_asked_for_before_any_model_has_it(self, models):
        custom = custom_features()
        assert load_models(models, custom=custom).feature_set("myshop") is custom.feature_set
