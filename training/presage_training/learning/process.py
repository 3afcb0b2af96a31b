"""Runs a training in a process of its own, and ends it when the learner is to end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from presage_export.errors import ExportError
from presage_featurizer import FeaturizerError
from presage_training.errors import LearningError, TrainingError

__all__ = [
    "OUTCOME_FILE",
    "SPEC_FILE",
    "StoppedError",
    "TrainingOutcome",
    "run_process",
    "train_in_process",
    "train_or_say_why",
]

SPEC_FILE: Final = "spec.json"
OUTCOME_FILE: Final = "outcome.json"

_MODULE: Final = "presage_training.retrain"
_POLL_SECONDS: Final = 0.2
_ERRORS_FILE: Final = "errors.txt"
_MOST_ERROR_CHARACTERS: Final = 2_000


Spec = TypeVar("Spec", bound=msgspec.Struct)


class TrainingOutcome(msgspec.Struct, frozen=True, kw_only=True):
    trained: bool
    """Whether there is a bundle, ``<name>/<version>``."""
    passed: bool
    """Whether it may serve."""
    reason: str


class StoppedError(Exception):
    """Expected: the learner was stopped."""


def run_process(spec_type: type[Spec], train: Callable[[Spec, Path], TrainingOutcome]) -> None:
    """Train as ``spec.json`` in the folder that the command line names says, and write ``outcome.json`` into it.

    ``train`` gets the spec and the folder for the bundle. What the data do not allow is an outcome: see ``train_or_say_why``.
    """
    folder = Path(sys.argv[1])
    spec = msgspec.json.decode((folder / SPEC_FILE).read_bytes(), type=spec_type)
    (folder / OUTCOME_FILE).write_bytes(msgspec.json.encode(train_or_say_why(spec, folder, train)))


def train_or_say_why(spec: Spec, folder: Path, train: Callable[[Spec, Path], TrainingOutcome]) -> TrainingOutcome:
    """Train; what the data do not allow is an outcome, not an error.

    Raises:
        OSError: The archive cannot be read, or the folder not written.
    """
    try:
        return train(spec, folder)
    except (TrainingError, ExportError, FeaturizerError) as error:
        return TrainingOutcome(trained=False, passed=False, reason=str(error))


def train_in_process(
    kind: Literal["scoring", "ranking"], spec: msgspec.Struct, folder: Path, *, is_stopped: Callable[[], bool]
) -> TrainingOutcome:
    """Train in a process that gives way to all others.

    Args:
        kind: Of the model.
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
            [sys.executable, "-m", _MODULE, str(folder), kind],
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
