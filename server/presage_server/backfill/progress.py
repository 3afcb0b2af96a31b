"""How far a backfill is, and what became of the visitors."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from presage_server.backfill.resolving import Outcome

__all__ = ["Progress"]


@dataclass(kw_only=True, slots=True)
class Progress:
    """The state of a backfill."""

    share: float = 0.0
    """How much of it is done, 0 to 1."""
    events: int = 0
    """Events folded."""
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    """Visitors by what became of them."""
    written: int = 0
    """States written."""
    conflicts: int = 0
    """States that changed between read and write, and were read again."""
    contended: int = 0
    """Visitors given up, because their states changed at every try."""
    erased: int = 0
    """Visitors left alone, because `presage forget` erased one of their partition meanwhile."""
    gaps: int = 0
    """Streams that dropped events which are not in the archive."""
    resets: int = 0
    """Streams that are not those that were archived."""
    unreadable_events: int = 0
    """Logged events that this release cannot read."""

    @property
    def visitors(self) -> int:
        """Visitors that are done."""
        return self.outcomes.total() + self.contended + self.erased

    @property
    def is_complete(self) -> bool:
        """Whether nothing was left out that should have been folded or written."""
        left = (self.contended, self.erased, self.gaps, self.unreadable_events)
        return not any((*left, self.outcomes[Outcome.UNREADABLE], self.outcomes[Outcome.NEWER]))

    def line(self, seconds: float) -> str:
        """Summarize it in one line, ``seconds`` after the start."""
        remaining = f"{seconds / self.share - seconds:.0f}" if self.share > 0.0 else "unknown"
        counts = " ".join(f"{outcome}={self.outcomes[outcome]}" for outcome in Outcome)
        return (
            f"done={self.share:.0%} remaining_seconds={remaining} events={self.events} visitors={self.visitors} "
            f"written={self.written} {counts} contended={self.contended} erased={self.erased} gaps={self.gaps} "
            f"unreadable_events={self.unreadable_events}"
        )
