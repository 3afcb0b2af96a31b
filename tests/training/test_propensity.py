from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from training.logs import shop

from presage_export.bundle import read_bundle
from presage_export.errors import BundleError
from presage_featurizer import CONVERSION
from presage_server.models import load_model
from presage_training.datasets.dataset import purchase_in_session
from presage_training.errors import DatasetError
from presage_training.propensity import export_propensity, train_propensity


@pytest.fixture(scope="module")
def dataset():
    return purchase_in_session(shop(visitors=600, days=21))


@pytest.fixture(scope="module")
def propensity(dataset):
    return train_propensity(dataset, seed=7)


def export(propensity, directory, **options):
    return export_propensity(propensity, directory, feature_set=CONVERSION, data={"seed": 7}, **options)


def contents(directory) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_it_knows_more_than_the_prevalence(propensity):
    metrics = propensity.metrics

    assert metrics["roc_auc"] > 0.65
    assert metrics["average_precision"] > 2 * metrics["prevalence"]
    assert metrics["log_loss"] < metrics["baseline_log_loss"]
    assert metrics["brier"] < metrics["prevalence"] * (1 - metrics["prevalence"])


def test_metrics_are_those_of_the_held_out_rows(propensity):
    labels = propensity.test.labels
    scores = propensity.booster.predict(propensity.test.features.astype(np.float64))
    metrics = propensity.metrics

    assert metrics["prevalence"] == pytest.approx(labels.mean())
    assert metrics["brier"] == pytest.approx(np.mean((scores - labels) ** 2))
    assert metrics["log_loss"] == pytest.approx(-np.mean(np.log(np.where(labels, scores, 1 - scores))))
    higher = scores[labels][:, None] > scores[~labels]
    equal = scores[labels][:, None] == scores[~labels]
    assert metrics["roc_auc"] == pytest.approx(np.mean(higher + equal / 2))


def test_the_held_out_sessions_began_after_all_others_were_over(dataset, propensity):
    rows = propensity.rows
    began = propensity.test.span_starts_unix_micros.min()
    earlier = dataset.span_ends_unix_micros < began

    assert rows["test"] == len(propensity.test)
    assert rows["train"] + rows["tune"] <= earlier.sum()
    assert rows["train"] > rows["tune"] > 0


def test_labels_at_random_cannot_be_learnt():
    """Were a label in its row, or a test row among the training rows, the model would still do better than chance."""
    dataset = purchase_in_session(shop(visitors=300))
    random = np.random.default_rng(1)
    shuffled = replace(dataset, labels=random.permutation(dataset.labels))
    propensity = train_propensity(shuffled, seed=1)
    scores = propensity.booster.predict(propensity.test.features.astype(np.float64))
    chance = [roc_auc_score(random.permutation(propensity.test.labels), scores) for _ in range(400)]

    low, high = np.quantile(chance, [0.005, 0.995])
    assert low <= propensity.metrics["roc_auc"] <= high
    assert 0.4 < low < 0.5 < high < 0.6


def test_the_same_rows_and_seed_give_the_same_bytes(dataset, propensity, tmp_path):
    export(propensity, tmp_path / "first" / "model" / "1")
    export(train_propensity(dataset, seed=7), tmp_path / "again" / "model" / "1")

    first, again = (contents(tmp_path / name / "model" / "1") for name in ("first", "again"))
    assert first.keys() == {"model.onnx", "golden.npz", "manifest.json"}
    assert first == again


def test_the_bundle_serves_what_lightgbm_predicts(propensity, tmp_path):
    report = export(propensity, tmp_path / "tiny" / "3")
    model = load_model(tmp_path / "tiny" / "3")
    rows = propensity.test.features

    expected = propensity.booster.predict(rows.astype(np.float64))
    assert np.abs(expected - model.predict(rows)).max() <= 1e-6
    assert (model.name, model.version) == ("tiny", "3")
    assert model.feature_set == CONVERSION
    assert report.rows >= len(rows)


def test_the_manifest_says_what_it_was_made_of(propensity, tmp_path):
    export(propensity, tmp_path / "tiny" / "3")
    manifest = read_bundle(tmp_path / "tiny" / "3").manifest

    assert (manifest.name, manifest.version, manifest.objective) == ("tiny", "3", "binary")
    assert manifest.feature_set.fingerprint == CONVERSION.fingerprint
    assert manifest.metrics == {name: round(value, 6) for name, value in propensity.metrics.items()}
    assert manifest.data == {"seed": 7, **{f"{part}_rows": count for part, count in propensity.rows.items()}}
    assert manifest.trees == propensity.booster.best_iteration
    assert set(manifest.libraries) == {"presage", "lightgbm", "onnx", "numpy"}


def test_a_bundle_that_is_there_stays_unless_told_otherwise(propensity, tmp_path):
    directory = tmp_path / "tiny" / "3"
    directory.mkdir(parents=True)
    (directory / "precious").write_bytes(b"work")

    with pytest.raises(BundleError, match="exists already"):
        export(propensity, directory)
    with pytest.raises(BundleError, match="more than a bundle"):
        export(propensity, directory, overwrite=True)
    assert contents(directory) == {"precious": b"work"}

    (directory / "precious").rename(directory / "model.onnx")
    export(propensity, directory, overwrite=True)
    assert load_model(directory).version == "3"


@pytest.mark.parametrize("path", ["tiny/version 3", "_/3"])
def test_a_folder_whose_name_no_model_can_have_is_refused(propensity, tmp_path, path):
    with pytest.raises(BundleError, match="expected 1 to 64 letters"):
        export(propensity, tmp_path / path)
    assert not list(tmp_path.iterdir())


def test_a_log_too_short_to_be_split_is_refused():
    with pytest.raises(DatasetError, match="use a longer log"):
        train_propensity(purchase_in_session(shop(visitors=20, days=2)), seed=1)
