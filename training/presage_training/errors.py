"""What can go wrong on the training side.

TrainingError
├── LogFormatError   an event log is not of the format that was named
└── DatasetError     a log holds too little to train on
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["DatasetError", "LogFormatError", "TrainingError"]


class TrainingError(Exception):
    """Base of the errors that this package raises; its text is meant for the user."""


class DatasetError(TrainingError):
    """A log gives no rows, or rows of one kind only; the text says what is missing."""


class LogFormatError(TrainingError):
    """A whole file cannot be read as the named format; single bad lines are counted in ``Skips`` instead."""

    def __init__(self, path: Path, problem: str, *, advice: str) -> None:
        super().__init__(f"{path}: {problem}. {advice}")
        self.path = path
        """The file."""
