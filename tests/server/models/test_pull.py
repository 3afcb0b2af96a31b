"""Bundles from elsewhere become versions: what needs no MLflow. ``make mlflow-proof`` pulls from a real server."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
from typer.testing import CliRunner

from presage_export.bundle import read_bundle
from presage_export.registry import find_versions
from presage_featurizer.custom import read_custom_features
from presage_server.errors import ModelError
from presage_server.models.command import models as command
from presage_server.models.mlflow_registry import parse_reference
from presage_server.models.placing import Placed, find_bundle, place_bundle
from presage_server.models.ranking import load_ranking_model
from support.bundle_files import as_older_format
from support.bundles import write_small_bundle
from support.rankings import write_ranking_bundle


@pytest.fixture
def source(models, tmp_path):
    """A bundle in a folder of another name, as MLflow has it."""
    return shutil.copytree(models / "conversion" / "1", tmp_path / "downloaded" / "artifacts")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def pull(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(command, ["pull", *arguments], env={"PRESAGE_MODELS": "models"})
    return done.exit_code, done.stderr


@pytest.mark.parametrize("format_version", [1, 2, 3])
def test_a_bundle_is_placed_as_the_next_version_and_scores_the_same(models, source, folder, format_version):
    original = read_bundle(models / "conversion" / "1")
    if format_version < 3:
        as_older_format(source, format_version)
    write_small_bundle(folder, version="3.1", seed=9)

    assert place_bundle(source, folder) == Placed("conversion", "4", new=True)
    placed = read_bundle(folder / "conversion" / "4")
    assert placed.manifest.format_version == format_version
    assert placed.manifest.feature_set == original.manifest.feature_set
    rows = read_bundle(folder / "conversion" / "3.1").model.feature_count
    assert placed.model.feature_count == rows
    assert [path.name for path in folder.iterdir()] == ["conversion"], "nothing else is left"


def test_the_first_version_keeps_its_number_and_its_bytes(models, source, folder):
    assert place_bundle(source, folder) == Placed("conversion", "1", new=True)
    for path in (models / "conversion" / "1").iterdir():
        assert (folder / "conversion" / "1" / path.name).read_bytes() == path.read_bytes()


def test_the_same_model_is_not_placed_twice(source, folder):
    place_bundle(source, folder)
    write_small_bundle(folder, version="2", seed=9)

    assert place_bundle(source, folder) == Placed("conversion", "1", new=False)
    assert [path.name for path in find_versions(folder)["conversion"]] == ["1", "2"]


def test_a_bundle_gets_the_name_that_is_asked_for(source, folder):
    assert place_bundle(source, folder, "shoes") == Placed("shoes", "1", new=True)
    assert read_bundle(folder / "shoes" / "1").manifest.name == "shoes"


@pytest.mark.parametrize("name", ["../elsewhere", "a b", ".hidden", "x" * 65])
def test_a_name_that_no_model_can_have_is_refused(source, folder, name):
    with pytest.raises(ModelError, match="choose another with --name"):
        place_bundle(source, folder, name)
    assert list(folder.iterdir()) == []
    assert not (folder.parent / "elsewhere").exists()


def test_a_ranking_model_is_placed_with_its_tables(folder, tmp_path):
    write_ranking_bundle(tmp_path / "other")
    moved = shutil.copytree(tmp_path / "other" / "ranking" / "1", tmp_path / "artifacts")

    assert place_bundle(moved, folder) == Placed("ranking", "1", new=True)
    assert load_ranking_model(folder / "ranking" / "1").name == "ranking"


def truncate(source):
    (source / "model.onnx").write_bytes((source / "model.onnx").read_bytes()[:-1])


def lose(source):
    (source / "golden.npz").unlink()


def empty(source):
    (source / "manifest.json").write_text("{}")


def escape(source):
    fields = json.loads((source / "manifest.json").read_text())
    fields["files"]["../../../etc/passwd"] = "0" * 64
    del fields["manifest_sha256"], fields["golden"]
    (source / "manifest.json").write_text(json.dumps(fields | {"format_version": 1}))


def link_elsewhere(source):
    (source / "golden.npz").unlink()
    (source / "golden.npz").mkdir()


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (truncate, r"conversion/1/model\.onnx: expected SHA-256 .* altered"),
        (lose, r"golden\.npz: is missing"),
        (empty, r"manifest\.json: is not a valid manifest"),
        (escape, r"manifest\.json: files: '\.\./\.\./\.\./etc/passwd' is no file that a bundle has"),
        (link_elsewhere, r"golden\.npz: is missing, or no regular file"),
    ],
)
def test_a_bundle_that_cannot_be_served_places_nothing(source, folder, harm, reason):
    harm(source)

    with pytest.raises(ModelError, match=rf"the bundle cannot be served: {reason}"):
        place_bundle(source, folder)
    assert list(folder.iterdir()) == []


def test_a_model_of_a_project_needs_the_project(folder, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "features.toml").write_text(
        'name = "shop"\nextends = "conversion"\n[features]\nall = { aggregate = "count", over = "session" }\n'
    )
    custom = read_custom_features(project)
    write_small_bundle(tmp_path / "other", name="shop", feature_set=custom.feature_set)

    with pytest.raises(ModelError, match="'all' is a project's own feature"):
        place_bundle(tmp_path / "other" / "shop" / "1", folder)
    assert place_bundle(tmp_path / "other" / "shop" / "1", folder, custom=custom).new


def test_a_bundle_may_lie_one_folder_down(source):
    assert find_bundle(source) == source
    assert find_bundle(source.parent) == source
    shutil.copytree(source, source.parent / "second")
    with pytest.raises(ModelError, match=r"expected one bundle, with a manifest\.json, got 2"):
        find_bundle(source.parent)
    with pytest.raises(ModelError, match="got none"):
        find_bundle(source / "nothing")


def test_a_reference_names_a_model_and_an_alias():
    assert parse_reference("mlflow:shop conversion@champion") == ("shop conversion", "champion")


@pytest.mark.parametrize(
    "text",
    ["conversion", "mlflow:conversion", "mlflow:@champion", "s3://bucket/x", "mlflow:a/b@champion", "mlflow:a@b@c"],
)
def test_what_is_no_reference_is_refused(text):
    assert pull(text, "--tracking-uri", "http://localhost:1") == (
        2,
        f"presage models pull: expected mlflow:NAME@ALIAS, as in mlflow:conversion@champion, got {text!r}\n",
    )


def test_without_a_server_it_is_said_how_to_name_one(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    code, errors = pull("mlflow:conversion@champion")
    assert code == 2
    assert "name MLflow's server with --tracking-uri or MLFLOW_TRACKING_URI" in errors
    assert "secret" not in pull("mlflow:conversion@champion", "--tracking-uri", "sqlite:///secret")[1]


def test_without_mlflow_it_is_said_what_to_install(monkeypatch):
    for name in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, "false")
    for name in ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setitem(sys.modules, "mlflow", None)
    code, errors = pull("mlflow:conversion@champion", "--tracking-uri", "http://localhost:1")
    assert code == 2
    assert "install it with pip install 'presage-scoring[mlflow]'" in errors
