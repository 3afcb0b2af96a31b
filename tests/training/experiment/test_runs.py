from __future__ import annotations

import lightgbm
import numpy as np
import pytest

from presage_export.bundle import read_bundle
from presage_export.errors import BundleError
from presage_featurizer import CONVERSION
from presage_server.models.loading import load_model
from presage_training.datasets.targets import parse_target
from presage_training.errors import DatasetError
from presage_training.experiment import (
    BundleOutput,
    ExperimentOptions,
    PredictionTask,
    SimulatedShop,
    read_dataset,
    split_parts,
    train_on_log,
)
from presage_training.readers import SkippedRows
from presage_training.replaying.decisions import parse_decisions

SHOP = SimulatedShop(seed=7, visitors=300, days=14)
TASK = PredictionTask(
    target=parse_target("purchase-in-session"), decisions=parse_decisions("every-event"), feature_set=CONVERSION
)
KINDS = ("lightgbm-classifier", "single-feature")
OPTIONS = ExperimentOptions(seed=7, calibration="none", draws=100)

# One process trains for all of them.
pytestmark = pytest.mark.xdist_group("runs")


def train(folder, log=SHOP, *, kinds=KINDS, bundle="shop/3", **options):
    output = BundleOutput(directory=folder / bundle, original=folder / "original.txt")
    return train_on_log(log, TASK, folder / "run", kinds=kinds, options=OPTIONS, bundle=output, **options)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with a run, the bundle shop/3 and original.txt, and the results."""
    folder = tmp_path_factory.mktemp("run")
    return folder, train(folder)


@pytest.fixture(scope="module")
def test_part():
    return split_parts(read_dataset(SHOP, TASK, skipped=SkippedRows()), OPTIONS).test


def contents(directory) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_the_bundle_serves_what_lightgbm_predicts(run, test_part):
    folder, _ = run
    model = load_model(folder / "shop" / "3")
    original = lightgbm.Booster(model_file=folder / "original.txt")
    rows = test_part.features

    assert (model.name, model.version, model.feature_set) == ("shop", "3", CONVERSION)
    assert np.abs(original.predict(rows.astype(np.float64)) - model.predict(rows)).max() <= 1e-6


def test_the_bundle_is_the_best_model_under_another_name(run):
    folder, results = run
    in_run = read_bundle(folder / "run" / "models" / "lightgbm-classifier" / "1")
    bundle = read_bundle(folder / "shop" / "3")
    skill = {model.kind: model.metrics["roc_auc"].value for model in results.models}

    assert max(KINDS, key=skill.__getitem__) == "lightgbm-classifier"
    assert bundle.manifest.metrics == in_run.manifest.metrics
    assert bundle.manifest.data == in_run.manifest.data
    assert bundle.manifest.files == in_run.manifest.files


def test_the_manifest_describes_the_simulation_and_the_rows(run, test_part):
    manifest = read_bundle(run[0] / "shop" / "3").manifest

    assert (manifest.objective, manifest.link, manifest.calibration) == ("binary", "logit", None)
    assert manifest.trees == lightgbm.Booster(model_file=run[0] / "original.txt").num_trees()
    assert (
        manifest.data.items()
        >= {
            "source": "simulated-shop",
            "kind": "lightgbm-classifier",
            "seed": 7,
            "visitors": 300,
            "days": 14,
            "test_rows": len(test_part),
        }.items()
    )
    assert set(manifest.libraries) == {"presage-scoring", "lightgbm", "onnx", "numpy"}


def test_metrics_are_those_of_the_held_out_rows(run, test_part):
    labels, metrics = test_part.labels, read_bundle(run[0] / "shop" / "3").manifest.metrics
    original = lightgbm.Booster(model_file=run[0] / "original.txt")
    scores = original.predict(test_part.features.astype(np.float64))

    assert metrics["brier"] == pytest.approx(np.mean((scores - labels) ** 2), abs=1e-6)
    assert metrics["log_loss"] == pytest.approx(-np.mean(np.log(np.where(labels, scores, 1 - scores))), abs=1e-6)
    higher = scores[labels][:, None] > scores[~labels]
    equal = scores[labels][:, None] == scores[~labels]
    assert metrics["roc_auc"] == pytest.approx(np.mean(higher + equal / 2), abs=1e-6)


@pytest.mark.slow
def test_a_bundle_that_exists_stays_unless_overwritten(tmp_path):
    bundle = tmp_path / "shop" / "3"
    bundle.mkdir(parents=True)
    (bundle / "precious").write_bytes(b"work")

    with pytest.raises(BundleError, match="exists already"):
        train(tmp_path)
    with pytest.raises(BundleError, match="more than a bundle"):
        train(tmp_path, overwrite=True)
    assert contents(bundle) == {"precious": b"work"}
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]

    (bundle / "precious").rename(bundle / "model.onnx")
    train(tmp_path, overwrite=True)
    assert load_model(bundle).version == "3"


@pytest.mark.slow
def test_an_invalid_bundle_name_leaves_no_run_either(tmp_path):
    with pytest.raises(BundleError, match="expected 1 to 64 letters"):
        train(tmp_path, bundle="shop/version 3")
    assert not list(tmp_path.iterdir())


def test_a_log_too_short_to_be_split_is_rejected(tmp_path):
    with pytest.raises(DatasetError, match=r"^simulated shop: .*use a longer log"):
        train(tmp_path, SimulatedShop(seed=1, visitors=20, days=2))
    assert not list(tmp_path.iterdir())
