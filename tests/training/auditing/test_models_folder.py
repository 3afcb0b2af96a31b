"""Models that appear while an audit follows are known from then on, and those that vanish stay known."""

from __future__ import annotations

import shutil

import pytest

from presage_featurizer import CONVERSION, featurize
from presage_server.settings import shipped_models
from presage_training.auditing.models_folder import ModelsFolder
from support.vectors import a_vector


def test_a_version_that_is_added_while_it_runs_is_read_and_kept(tmp_path):
    warnings: list[str] = []
    folder = ModelsFolder(tmp_path, None, warn=warnings.append)
    values = featurize(None, 1, CONVERSION).tobytes()
    vector = a_vector(model="conversion", model_version="3", fingerprint=CONVERSION.fingerprint, values=values)
    before = folder.read()
    assert before.score(vector) is None
    assert folder.read() is before
    (warning,) = warnings

    assert "no bundle" in warning
    shutil.copytree(shipped_models() / "conversion" / "3", tmp_path / "conversion" / "3")
    score = folder.read().score(vector)
    assert score is not None
    assert folder.read() is folder.read()
    shutil.rmtree(tmp_path / "conversion")
    assert folder.read().score(vector) == score


def test_without_a_folder_only_feature_sets_are_known():
    models = ModelsFolder(None, None, warn=pytest.fail).read()

    assert models.feature_set(CONVERSION.fingerprint) is CONVERSION
    assert models.score(a_vector()) is None
