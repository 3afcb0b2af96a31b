"""What a reader left out, and why."""

from __future__ import annotations

from dataclasses import dataclass

from presage_training.quoting import printable

__all__ = ["SkipExample", "Skips"]


@dataclass(frozen=True, slots=True)
class SkipExample:
    """One thing that was left out."""

    where: str
    """Where it stands, for example ``line 12`` or ``invoice A563185``."""
    what: str
    """What was found there."""


class Skips:
    """Counts what was left out by reason, with the first few examples of each."""

    def __init__(self, *, max_examples: int = 3) -> None:
        self.counts: dict[str, int] = {}
        """How often each reason occurred, in the order in which they first did."""
        self.examples: dict[str, list[SkipExample]] = {}
        """The first examples of each reason, at most ``max_examples``."""
        self._max_examples = max_examples

    @property
    def total(self) -> int:
        """How many things were left out."""
        return sum(self.counts.values())

    def add(self, reason: str, *, where: str, what: str) -> None:
        """Count one thing that was left out.

        Args:
            reason: Why; one of a few, so the details belong into ``what``. As it is shown: what is quoted has to be ``printable``.
            where: Where it stands. Shown in one line and shortened, like ``what``.
            what: What was found there.
        """
        self.counts[reason] = self.counts.get(reason, 0) + 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < self._max_examples:
            examples.append(SkipExample(printable(where), printable(what)))
