"""``presage learn`` from the command line: what it leaves behind, and what it says."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from training.commands.running import run_here

from presage_export.bundle import read_manifest
from presage_export.registry import read_aliases
from presage_training.learning.registering import locked
from support.learning import archive_batch, shop_events

pytestmark = pytest.mark.usefixtures("trains_at_once")


def test_init_writes_a_prior_once(monkeypatch, capsys, tmp_path):
    flags = ("--models", tmp_path / "models", "--name", "shop", "--default-rate", "0.05", "--holdout-share", "0.03")
    done = run_here(monkeypatch, capsys, "learn", "--init", *flags)
    assert (done.code, done.err) == (0, "")
    assert done.out == "presage learn: shop/1: prior: 0.05 for everyone, until there are outcomes to count\n"
    aliases = read_aliases(tmp_path / "models" / "shop")
    assert (aliases.champion, aliases.prior, aliases.holdout_share) == ("1", "1", 0.03)
    assert read_manifest(tmp_path / "models" / "shop" / "1").data["kind"] == "prior"

    again = run_here(monkeypatch, capsys, "learn", "--init", *flags)
    assert (again.code, again.out, again.err) == (0, "", "")
    assert read_aliases(tmp_path / "models" / "shop") == aliases


def test_init_writes_popular_items_for_a_ranking_model(monkeypatch, capsys, tmp_path):
    flags = ("--rank", "--models", tmp_path / "models", "--tolerance", "0.03", "--target", "bought-within:60")
    done = run_here(monkeypatch, capsys, "learn", "--init", *flags)
    assert (done.code, done.err) == (0, "")
    assert done.out == "presage learn: ranking/1: prior: popular items first, for everyone\n"
    assert read_aliases(tmp_path / "models" / "ranking").champion == "1"


@pytest.mark.slow
def test_once_trains_on_what_the_archive_holds(monkeypatch, capsys, tmp_path):
    archive_batch(tmp_path / "archive", shop_events(visitors=400, days=14), first=1)
    flags = (
        "--models",
        tmp_path / "models",
        "--kind",
        "logistic-regression",
        "--after-purchases",
        "5",
        "--tolerance",
        "1",
    )
    done = run_here(monkeypatch, capsys, "learn", tmp_path / "archive", "--once", "--slice-tolerance", "9", *flags)
    assert (done.code, done.err) == (0, "")
    assert "conversion/3: challenger: not worse than the champion" in done.out
    assert read_aliases(tmp_path / "models" / "conversion").challenger == "3"


@pytest.mark.slow
def test_sigterm_ends_it_between_two_looks(tmp_path):
    command = [sys.executable, "-m", "presage_server", "learn", tmp_path / "archive", "--models", tmp_path / "models"]
    with subprocess.Popen([*command, "--poll-seconds", "600"], stdout=subprocess.PIPE, text=True) as process:
        assert "prior" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "expected the folder of an archive, or --init"),
        (("--init", "--target", "revenue-within:30"), "target: expected one that is true or false"),
        (("--init", "--features", "none"), "feature set: expected one of"),
        (("--init", "--kind", "none"), "models: 'none': expected"),
        (("--init", "--rank", "--target", "purchase-in-session"), "target: expected taken-within:MINUTES or"),
        (("--init", "--rank", "--question", "none"), "question: expected one of next-item, next-order, shown-list"),
        (("--init", "--rank", "--history-days", "30"), "--history-days: only valid without --rank; remove it"),
        (("--init", "--question", "next-item"), "--question: only valid with --rank; remove it"),
        (("--init", "--rank", "--window-share", "0.9"), "window_share: expected above 0 and at most 0.5"),
    ],
)
def test_what_cannot_be_used_is_named(monkeypatch, capsys, tmp_path, flags, said):
    done = run_here(monkeypatch, capsys, "learn", "--models", tmp_path / "models", *flags)
    assert done.code == 2
    assert done.err.startswith("presage learn: ")
    assert said in done.err
    assert not (tmp_path / "models").exists()


def test_a_second_learner_is_refused(monkeypatch, capsys, tmp_path):
    with locked(tmp_path / "models" / "conversion"):
        done = run_here(monkeypatch, capsys, "learn", "--init", "--models", tmp_path / "models")
    assert done.code == 2
    assert "another presage learn works on this model" in done.err
