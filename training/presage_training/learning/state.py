"""What a learner has done, kept on disk so that the next run continues where this one ended."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from presage_training.errors import LearningError

__all__ = ["STATE_FILE", "LearnState", "read_state", "write_state"]

STATE_FILE: Final = "learning.json"
"""The state's name, beside the versions."""


class LearnState(msgspec.Struct, frozen=True, kw_only=True):
    """How far the archive was followed, and what is in progress."""

    archive_id: str = ""
    batch: int = 0
    """The archive's last batch that was counted."""
    purchases: int = 0
    """Purchases in the batches up to it."""
    trained_purchases: int = 0
    """How many there were when a model was last trained, or could not be."""
    trained_unix_micros: int = 0
    """When that was; 0: never."""
    looked_batch: int = 0
    """The archive's last batch that the challenger was judged by."""
    pending_version: str = ""
    """The version that has passed the gate and is being registered."""
    pending_reason: str = ""


def read_state(folder: Path) -> LearnState:
    """Read the state from a model's folder; a new one if there is none.

    Raises:
        LearningError: The file is not valid.
    """
    path = folder / STATE_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=LearnState)
    except FileNotFoundError:
        return LearnState()
    except msgspec.MsgspecError as error:
        raise LearningError(f"{path}: {error}; remove the file: the archive is then counted again") from error


def write_state(folder: Path, state: LearnState) -> None:
    """Replace the state, whole."""
    staged = folder / f".{STATE_FILE}.{os.getpid()}"
    with staged.open("wb") as file:
        file.write(msgspec.json.encode(state) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    staged.replace(folder / STATE_FILE)
