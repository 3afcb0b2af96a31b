"""``presage models list``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

from presage_featurizer.custom import read_custom_features
from support.bundles import write_small_bundle
from support.rankings import write_ranking_bundle

PRESAGE = Path(sysconfig.get_path("scripts"), "presage")


def list_models(*arguments: object, columns: int = 150) -> tuple[int, str, str]:
    command = [PRESAGE, "models", "list", *map(str, arguments)]
    environment = os.environ | {"COLUMNS": str(columns)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return done.returncode, done.stdout, done.stderr


def test_it_lists_every_version_with_what_it_predicts(models, tmp_path):
    folder = tmp_path / "models"
    shutil.copytree(models, folder)
    code, out, errors = list_models(folder)
    assert (code, errors) == (0, "")
    expected = sorted((name.name, version.name) for name in folder.iterdir() for version in name.iterdir())
    rows = [line.split() for line in out.splitlines() if line.strip()][2:]
    assert sorted((row[0], row[1]) for row in rows) == expected


def test_the_shipped_model_is_listed_without_a_folder():
    code, out, errors = list_models()
    assert (code, errors) == (0, "")
    assert "conversion (20)" in out
    assert "purchase-in-session" in out
    assert "simulated-shop" in out


def test_in_a_narrow_terminal_columns_are_left_out_before_words_are_broken():
    code, out, errors = list_models(columns=80)
    assert (code, errors) == (0, "")
    rows = [line.split() for line in out.splitlines() if line.strip()]
    assert rows[0] == ["model", "version", "serves", "predicts", "quality"]
    assert [row[4:6] for row in rows[2:4]] == [["ROC-AUC", rows[2][5]], ["NDCG@10", rows[3][5]]]
    assert "Too narrow for: trained on, features." in out
    assert max(map(len, out.splitlines())) <= 80


def test_with_broken_aliases_nobody_is_said_to_serve(tmp_path):
    write_ranking_bundle(tmp_path)
    (tmp_path / "ranking" / "aliases.json").write_text("{")
    code, out, errors = list_models(tmp_path)
    assert code == 2
    assert "presage models rollback" in errors
    assert ["ranking", "1", "unknown"] in [line.split()[:3] for line in out.splitlines()]


def test_ranking_models_are_listed_with_what_they_answer(tmp_path):
    write_ranking_bundle(tmp_path)
    code, out, errors = list_models(tmp_path)
    assert (code, errors) == (0, "")
    (row,) = [line.split() for line in out.splitlines() if "ranking" in line]
    assert row[:4] == ["ranking", "1", "champion", "ranking"]
    assert "next-item" in row


def test_a_broken_bundle_is_named_and_the_others_are_listed(models, tmp_path):
    folder = tmp_path / "models"
    shutil.copytree(models, folder)
    (first, *others) = sorted(folder.iterdir())
    graph = next(first.iterdir()) / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])
    code, out, errors = list_models(folder)
    assert code == 2
    assert errors.startswith(f"presage models: {first}")
    assert len(errors.splitlines()) == 1
    assert [other.name for other in others if other.name not in out] == []


def test_a_folder_without_bundles_is_an_error(tmp_path):
    assert list_models(tmp_path) == (
        2,
        "",
        f"presage models: no bundle found under {tmp_path}; expected <name>/<version>/manifest.json\n",
    )


def test_models_of_a_project_are_listed_with_it(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "features.toml").write_text(
        'name = "shop"\nextends = "conversion"\n[features]\nall = { aggregate = "count", over = "session" }\n'
    )
    write_small_bundle(tmp_path / "models", name="shop", feature_set=read_custom_features(project).feature_set)

    code, out, errors = list_models(tmp_path / "models", "--project", project)
    assert (code, errors) == (0, "")
    assert "shop (21)" in out
    code, out, errors = list_models(tmp_path / "models")
    assert (code, out) == (2, "")
    assert "'all' is a project's own feature" in errors
    code, out, errors = list_models(tmp_path / "models", "--project", tmp_path)
    assert (code, out) == (2, "")
    assert (
        errors == f"presage models: project: {tmp_path}: holds no features.toml; name a folder that presage init made\n"
    )
