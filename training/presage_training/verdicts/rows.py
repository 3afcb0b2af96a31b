"""Rows that two versions of a model have scored, with what came of them, in columns."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

__all__ = ["PairedRows", "Unmatched"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Unmatched:
    """Pairs that give no row, by the reason."""

    waiting: int = 0
    """Their outcome is not known yet."""
    not_eligible: int = 0
    """The target is not defined for them, such as the session's purchase after it has been made."""
    unknown_event: int = 0
    """The event that they were scored after is not in the archive."""
    same_session: int = 0
    """Another pair of the same visitor and session was chosen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairedRows:
    """One row for each session of a visitor, in the order in which the outcomes became known."""

    names: tuple[str, str]
    """What A and B are called in sentences, such as ``conversion/3``."""
    target: str
    """As ``parse_target`` reads it."""
    is_classification: bool
    """Whether labels are 0 or 1; otherwise they are amounts."""
    users: NDArray[np.int64]
    """The visitor's number."""
    matured_unix_micros: NDArray[np.int64]
    """When the outcome became known."""
    labels: NDArray[np.float64]
    scores_a: NDArray[np.float64]
    scores_b: NDArray[np.float64]
    arms: NDArray[np.int8]
    """A number of ``presage.v1.Arm``."""
    propensities: NDArray[np.float64]
    """The share of visitors that had this arm."""
    served_b: NDArray[np.bool_]
    """Whether the visitor was served by the second version."""
    served_a: NDArray[np.bool_]
    """Whether the visitor was served by the first version; neither in a hold-out."""
    unmatched: Unmatched = field(default_factory=Unmatched)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> PairedRows:
        """Select rows by a mask or by indices."""
        columns = {
            column.name: getattr(self, column.name)[chosen]
            for column in fields(self)
            if isinstance(getattr(self, column.name), np.ndarray)
        }
        return PairedRows(
            names=self.names,
            target=self.target,
            is_classification=self.is_classification,
            unmatched=self.unmatched,
            **columns,
        )
