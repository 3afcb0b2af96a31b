"""What an audit finds in an archive."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from presage_featurizer.event_log import Exposure, ServedVector

__all__ = ["NO_BEGINNING", "NO_EVENT", "AuditResult", "Difference"]

Logged = TypeVar("Logged", ServedVector, Exposure)
"""What is audited: vectors that were served, or rankings."""

NO_EVENT = "its last event is not in the archive"
NO_BEGINNING = "the visitor's history begins before the archive"
_MOST_DIFFERENCES = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference(Generic[Logged]):
    """What a replay does not reproduce."""

    logged: Logged
    what: str


@dataclass(kw_only=True, slots=True)
class AuditResult(Generic[Logged]):
    same: int = 0
    """Those that the replay reproduced, bit for bit."""
    scores: int = 0
    """Vectors whose score the model's bundle reproduced, too; those of models without a bundle are not checked."""
    different: int = 0
    differences: list[Difference[Logged]] = field(default_factory=list)
    """The first few."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Those that could not be compared, by the reason."""

    def add_difference(self, logged: Logged, what: str) -> None:
        self.different += 1
        if len(self.differences) < _MOST_DIFFERENCES:
            self.differences.append(Difference(logged=logged, what=what))
