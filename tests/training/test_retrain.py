from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from presage_training.learning.retraining import SPEC_FILE

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="Linux says this of a process")


@pytest.fixture
def training(tmp_path):
    """A training process, in a session of its own, that waits for its specification."""
    os.mkfifo(tmp_path / SPEC_FILE)
    command = [sys.executable, "-m", "presage_training.retrain", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        with (tmp_path / SPEC_FILE).open("wb"):  # returns when it is opened for reading, too
            yield process
        process.kill()


@LINUX
def test_a_training_gives_way_to_all_other_processes_and_sessions(training):
    process = Path(f"/proc/{training.pid}")
    assert os.sched_getscheduler(training.pid) == os.SCHED_IDLE
    assert os.getpriority(os.PRIO_PROCESS, training.pid) == 19
    if (process / "autogroup").exists():
        assert (process / "autogroup").read_text().endswith("nice 10\n")
    assert (process / "oom_score_adj").read_text() == "500\n"


def test_a_training_ends_with_the_process_that_has_started_it(training):
    training.stdin.close()
    assert training.wait(60) == 1
