from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import lightgbm
import pytest
from training.commands.running import run, run_here

from presage_server.models.loading import load_model

SMALL = ("--simulate", "--visitors", 300, "--days", 14, "--models", "lightgbm-classifier", "--draws", 100)

# One process trains for all of them.
pytestmark = pytest.mark.xdist_group("train")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a run, the bundle shop/1 and original.txt, and how the command ended."""
    folder = tmp_path_factory.mktemp("trained")
    places = ("--to", folder / "run", "--bundle", folder / "shop/1", "--original", folder / "original.txt")
    return folder, run("train", *SMALL, *places)


def test_it_writes_a_run_and_a_bundle(trained):
    folder, done = trained

    assert (done.code, done.err) == (0, "")
    assert load_model(folder / "shop" / "1").name == "shop"
    assert load_model(folder / "run" / "models" / "lightgbm-classifier" / "1").name == "lightgbm-classifier"
    assert lightgbm.Booster(model_file=folder / "original.txt").num_trees() > 0
    assert done.out.splitlines()[-3:] == [
        f"{folder / 'run' / 'report.html'}",
        f"{folder / 'shop/1'}",
        f"next: presage serve --models {folder} --default-model shop",
    ]


def test_it_shows_how_the_model_did(trained):
    folder, done = trained
    metrics = load_model(folder / "shop" / "1").bundle.manifest.metrics

    assert "lightgbm-classifier has a ROC-AUC of" in done.out
    for name in ("roc_auc", "pr_auc", "log_loss", "brier"):
        assert f"{name} " in done.out
        assert f"{metrics[name]:.3f}" in done.out


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_the_same_seed_gives_the_same_bundle_in_another_process(trained, tmp_path, workers):
    again = tmp_path / "shop" / "1"
    places = ("--to", tmp_path / "run", "--bundle", again)
    assert run("train", *SMALL, *places, "--workers", workers, PYTHONHASHSEED="4242").code == 0

    for path in (trained[0] / "shop" / "1").iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()


def test_without_a_bundle_of_its_own_the_next_command_serves_the_best_of_the_run(train, tmp_path):
    done = train("--to", tmp_path / "a run")
    assert done.out.splitlines()[-1] == (
        f"next: presage serve --models '{tmp_path / 'a run' / 'models'}' --default-model lightgbm-classifier"
    )
    assert "…" not in done.out


@pytest.fixture
def train(monkeypatch, capsys):
    """Run ``presage train`` on a small shop in this process."""
    return partial(run_here, monkeypatch, capsys, "train", *SMALL)


def test_a_bundle_that_exists_stays_unless_forced(train, tmp_path):
    bundle = tmp_path / "shop" / "1"
    bundle.mkdir(parents=True)
    done = train("--to", tmp_path / "run", "--bundle", bundle)

    assert (done.code, done.out) == (2, "")
    assert (
        done.err == f"presage train: {bundle} is there already; give --force to replace it, or name another version\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--bundle", "{tmp}/shop/version 1"), "--bundle: expected a folder NAME/VERSION, as in models/shop/1"),
        (("--bundle", "{tmp}/models/shop"), "whose version is a number, got {tmp}/models/shop"),
        (("--bundle", "{tmp}/file/1"), "Not a directory; name a place that can be read or written"),
        (("--bundle", "{tmp}/shop/1", "--original", "{tmp}/none/o.txt"), "no folder {tmp}/none; make it first"),
        (("--original", "{tmp}/o.txt"), "--original: only valid with --bundle and a LightGBM kind alone as --models"),
        (("--bundle", "{tmp}/shop/1", "--original", "{tmp}/o.txt", "--models", "stacking"), "--original: only valid with"),
        (("--target", "purchase-within:30"), "simulated shop: all "),
        (("{tmp}/file",), "expected either a log or --simulate"),
        (("--sort",), "--sort: only valid with a log; remove it"),
        (("--target", "fame"), "target: expected one of"),
    ],
)  # fmt: skip
def test_an_error_is_reported_in_one_line(train, tmp_path, arguments, message):
    (tmp_path / "file").touch()
    done = train("--to", tmp_path / "run", *(str(argument).format(tmp=tmp_path) for argument in arguments))

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("presage train: ")
    assert message.format(tmp=tmp_path) in done.err
    assert done.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_a_version_alone_belongs_to_the_current_folder(train, tmp_path, monkeypatch):
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")

    assert train("--to", tmp_path / "run", "--bundle", "2").code == 0
    assert load_model(tmp_path / "shop" / "2").bundle.manifest.name == "shop"


@pytest.mark.parametrize(
    ("moment", "calls"),
    [
        pytest.param((lightgbm, "train"), 1, marks=pytest.mark.slow),
        pytest.param((Path, "write_bytes"), 1, marks=pytest.mark.slow),
        ((Path, "write_bytes"), 3),
        pytest.param((Path, "write_bytes"), 6, marks=pytest.mark.slow),
    ],
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
    done = train("--to", tmp_path / "runs" / "first", "--bundle", tmp_path / "shop" / "1")

    assert (done.code, done.out) == (130, "")
    assert len(made) == calls
    assert not [path for path in tmp_path.rglob("*") if path != tmp_path / "shop"]
