"""Runs a training in a process of its own, and ends it when the learner is to end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from presage_training.errors import LearningError
from presage_training.learning.retraining import OUTCOME_FILE, SPEC_FILE, TrainingOutcome, TrainingSpec

__all__ = ["StoppedError", "train_in_process"]

_MODULE: Final = "presage_training.retrain"
_POLL_SECONDS: Final = 0.2
_ERRORS_FILE: Final = "errors.txt"
_MOST_ERROR_CHARACTERS: Final = 2_000


class StoppedError(Exception):
    """Expected: the learner was told to end."""


def train_in_process(spec: TrainingSpec, folder: Path, *, is_stopped: Callable[[], bool]) -> TrainingOutcome:
    """Train in a process that gives way to all others.

    Args:
        spec: What to train.
        folder: An empty folder, for the bundle.
        is_stopped: Asked a few times a second.

    Raises:
        StoppedError: ``is_stopped`` returned true; the process has been ended.
        LearningError: The process ended early.
    """
    (folder / SPEC_FILE).write_bytes(msgspec.json.encode(spec))
    errors = folder / _ERRORS_FILE
    with errors.open("wb") as stderr:
        process = subprocess.Popen(  # noqa: S603 - fixed arguments
            [sys.executable, "-m", _MODULE, str(folder)],
            stdin=subprocess.PIPE,  # its end is the process's, also where this one is killed
            stdout=stderr,
            stderr=stderr,
            start_new_session=True,  # of which it is the lowest: see ``give_way_as_session``
        )
        try:
            while process.poll() is None:
                if is_stopped():
                    raise StoppedError
                try:
                    process.wait(_POLL_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()
    outcome = folder / OUTCOME_FILE
    if process.returncode or not outcome.exists():
        said = errors.read_text(errors="replace").strip()[-_MOST_ERROR_CHARACTERS:]
        raise LearningError(f"the training process ended with status {process.returncode}: {said or 'it said nothing'}")
    return msgspec.json.decode(outcome.read_bytes(), type=TrainingOutcome)
