from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from training.commands.running import run, run_here

from presage_server.models.loading import load_model

SMALL = ("--visitors", 300, "--days", 14)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with the bundle shop/1 and original.txt, and how the command ended."""
    folder = tmp_path_factory.mktemp("trained")
    return folder, run("train", "--to", folder / "shop/1", *SMALL, "--original", folder / "original.txt")


def test_it_writes_a_bundle_that_serves_what_the_original_predicts(trained):
    folder, done = trained
    assert (done.code, done.err) == (0, "")
    model = load_model(folder / "shop" / "1")
    original = lightgbm.Booster(model_file=folder / "original.txt")
    rows = np.random.default_rng(0).exponential(3.0, size=(200, len(model.feature_set.features))).astype(np.float32)

    assert np.abs(original.predict(rows.astype(np.float64)) - model.predict(rows)).max() <= 1e-6
    assert original.num_trees() == model.bundle.manifest.trees


def test_it_shows_how_the_model_did(trained):
    folder, done = trained
    metrics = load_model(folder / "shop" / "1").bundle.manifest.metrics

    for name, value in metrics.items():
        assert f"{name} " in done.out
        assert f"{value:.4f}" in done.out


def test_a_model_that_is_no_better_than_the_prevalence_is_written_with_a_warning(tmp_path, trained):
    bundle = tmp_path / "shop" / "1"
    done = run("train", "--to", bundle, "--visitors", 100, "--days", 7, "--seed", 3)
    metrics, better = (load_model(path).bundle.manifest.metrics for path in (bundle, trained[0] / "shop" / "1"))
    assert metrics["log_loss"] >= metrics["baseline_log_loss"], "expected so short a log to teach nothing"
    assert better["log_loss"] < better["baseline_log_loss"]
    assert done.code == 0
    assert done.err.startswith("presage train: this model is no better than always saying the prevalence;")


def test_the_manifest_names_the_simulation(trained):
    data = load_model(trained[0] / "shop" / "1").bundle.manifest.data

    assert {"seed": 7, "visitors": 300, "days": 14}.items() <= data.items()


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_seed_gives_the_same_bundle_in_another_process(trained, tmp_path, workers):
    again = tmp_path / "shop" / "1"
    assert run("train", "--to", again, *SMALL, "--workers", workers, PYTHONHASHSEED="4242").code == 0

    for path in (trained[0] / "shop" / "1").iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()


@pytest.fixture
def train(monkeypatch, capsys):
    """Run ``presage train`` on a small shop in this process."""
    return partial(run_here, monkeypatch, capsys, "train", *SMALL)


def test_a_bundle_that_is_there_stays_unless_forced(train, tmp_path):
    bundle = tmp_path / "shop" / "1"
    bundle.mkdir(parents=True)
    (bundle / "precious").write_text("work")
    done = train("--to", bundle)

    assert (done.code, done.out) == (2, "")
    assert (
        done.err == f"presage train: {bundle} is there already; give --force to replace it, or name another version\n"
    )
    assert [path.name for path in bundle.iterdir()] == ["precious"]

    done = train("--to", bundle, "--force")
    assert (done.code, done.err) == (
        2,
        f"presage train: {bundle}: holds more than a bundle (precious); nothing was replaced\n",
    )
    assert [path.name for path in bundle.iterdir()] == ["precious"]

    (bundle / "precious").rename(bundle / "model.onnx")
    assert train("--to", bundle, "--force").code == 0
    assert load_model(bundle).version == "1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--to", "{tmp}/shop/version 1"),
            "version: expected 1 to 64 letters, digits, '.', '_' or '-', got 'version 1'",
        ),
        (("--to", "{tmp}/file/1"), "Not a directory; name a place that can be written"),
        (("--to", "{tmp}/shop/1", "--original", "{tmp}/none/o.txt"), "no folder {tmp}/none; make it first"),
        (("--to", "{tmp}/shop/1", "--visitors", 100, "--days", 7), "use a longer log"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(train, tmp_path, arguments, message):
    (tmp_path / "file").touch()
    done = train(*(str(argument).format(tmp=tmp_path) for argument in arguments))

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("presage train: ")
    assert message.format(tmp=tmp_path) in done.err
    assert done.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_version_alone_is_one_of_the_folder_it_stands_in(train, tmp_path, monkeypatch):
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")

    assert train("--to", "2").code == 0
    assert load_model(tmp_path / "shop" / "2").bundle.manifest.name == "shop"


@pytest.mark.parametrize(
    ("moment", "calls"), [((lightgbm, "train"), 1), ((Path, "write_bytes"), 1), ((Path, "write_bytes"), 3)]
)
def test_ctrl_c_leaves_nothing_half_written(train, tmp_path, monkeypatch, moment, calls):
    original = getattr(*moment)
    made = []

    def interrupted(*arguments, **options):
        made.append(moment)
        if len(made) == calls:
            signal.raise_signal(signal.SIGINT)
        return original(*arguments, **options)

    monkeypatch.setattr(*moment, interrupted)
    done = train("--to", tmp_path / "shop" / "1")

    assert (done.code, done.out) == (130, "")
    assert len(made) == calls
    assert not [path for path in tmp_path.rglob("*") if path != tmp_path / "shop"]
