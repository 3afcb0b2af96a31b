"""The errors of this package.

TrainingError
├── AuditStateError  the file of states of a following audit cannot be used
├── LearningError    a learner's files cannot be used, or its training process ended early
├── LogFormatError   an event log is not of the format that was named
│   └── MappingError   a mapping file is wrong, or matches nothing in the log (readers/formats/mapping.py)
├── DatasetError     a log does not fit the task, or has too few rows for it
│   └── EventOrderError   too many events of a log are out of order
├── ProjectError     a file of a project is wrong or missing
├── VerdictError     two versions of a model cannot be compared
└── WorkerError      a worker process ended early
"""

from __future__ import annotations

from pathlib import Path

from presage_training.quoting import printable

__all__ = [
    "AuditStateError",
    "DatasetError",
    "EventOrderError",
    "LearningError",
    "LogFormatError",
    "ProjectError",
    "TrainingError",
    "VerdictError",
    "WorkerError",
]


_MAX_CHARACTERS = 1_000


class TrainingError(Exception):
    """Base of the errors that this package raises; its text is for the user."""


class AuditStateError(TrainingError):
    """The file of states of a following audit cannot be used; the text says why, and what to do."""


class DatasetError(TrainingError):
    """A log gives no rows, or only positive or negative ones, or an option is unknown; the text says which."""


class EventOrderError(DatasetError):
    """Too many events of a log are out of order for a replay; the text has the numbers."""


class LearningError(TrainingError):
    """A learner's files cannot be used, or its training process ended early; the text says which and what to do."""


class ProjectError(TrainingError):
    """A project's file cannot be read or is not valid; the text names the file and the key."""


class VerdictError(TrainingError):
    """Two versions of a model cannot be compared, or an option is not valid; the text says which and what to do."""


class WorkerError(TrainingError):
    """A worker process ended early."""


class LogFormatError(TrainingError):
    """A file as a whole does not have the named format; single bad lines are counted in ``SkippedRows`` instead."""

    def __init__(self, path: Path, problem: str, *, advice: str) -> None:
        # The problem often quotes the file, which is untrusted.
        super().__init__(
            f"{printable(str(path), most=_MAX_CHARACTERS)}: {printable(problem, most=_MAX_CHARACTERS)}. {advice}"
        )
        self.path = path
