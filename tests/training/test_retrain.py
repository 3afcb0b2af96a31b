from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from presage_training.learning import GateRules
from presage_training.learning.process import SPEC_FILE, train_in_process
from presage_training.learning.retraining import TrainingSpec
from support.learning import archive_batch, shop_events


@pytest.fixture
def training(tmp_path):
    """A training process, in a session of its own, that waits for its specification."""
    os.mkfifo(tmp_path / SPEC_FILE)
    command = [sys.executable, "-m", "presage_training.retrain", str(tmp_path), "scoring"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        with (tmp_path / SPEC_FILE).open("wb"):  # returns when it is opened for reading, too
            yield process
        process.kill()


@pytest.mark.slow
def test_a_training_gives_way_to_all_others_and_ends_with_the_process_that_has_started_it(training):
    if sys.platform == "linux":
        process = Path(f"/proc/{training.pid}")
        assert os.sched_getscheduler(training.pid) == os.SCHED_IDLE
        assert os.getpriority(os.PRIO_PROCESS, training.pid) == 19
        if (process / "autogroup").exists():
            assert (process / "autogroup").read_text().endswith("nice 10\n")
        assert (process / "oom_score_adj").read_text() == "500\n"
    training.stdin.close()
    assert training.wait(60) == 1


def test_what_the_data_do_not_allow_is_an_outcome(tmp_path):
    archive_batch(tmp_path / "archive", shop_events(visitors=20, days=7)[:10], first=1)
    spec = TrainingSpec(
        archive=str(tmp_path / "archive"),
        name="conversion",
        version="1",
        kind="logistic-regression",
        champion="",
        features="core",
        time_zone="UTC",
        target="purchase-in-session",
        decisions="every-event",
        history_days=0.0,
        window_share=0.25,
        default_rate=0.02,
        gate=GateRules(),
        seed=1,
    )
    outcome = train_in_process("scoring", spec, tmp_path, is_stopped=lambda: False)
    assert not outcome.trained
    assert "use a longer log" in outcome.reason
