"""What can go wrong on the training side.

TrainingError
├── LogFormatError   an event log is not of the format that was named
│   └── MappingError   a mapping file is wrong, or finds nothing in the log (readers/mapping.py)
├── DatasetError     what is asked of a log cannot be asked, or the log holds too little for it
└── WorkerError      a process that did a part of the work ended early
"""

from __future__ import annotations

from pathlib import Path

from presage_training.quoting import printable

__all__ = ["DatasetError", "LogFormatError", "TrainingError", "WorkerError"]


_MOST_CHARACTERS = 1_000


class TrainingError(Exception):
    """Base of the errors that this package raises; its text is meant for the user."""


class DatasetError(TrainingError):
    """A log gives no rows, or rows of one kind only, or was asked what does not exist; the text says what is missing."""


class WorkerError(TrainingError):
    """A process that did a part of the work ended before it was done."""


class LogFormatError(TrainingError):
    """A whole file cannot be read as the named format; single bad lines are counted in ``SkippedRows`` instead."""

    def __init__(self, path: Path, problem: str, *, advice: str) -> None:
        # The problem often quotes the file, which anyone may have written.
        super().__init__(
            f"{printable(str(path), most=_MOST_CHARACTERS)}: {printable(problem, most=_MOST_CHARACTERS)}. {advice}"
        )
        self.path = path
        """The file."""
