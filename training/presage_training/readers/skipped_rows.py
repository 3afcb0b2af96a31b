"""Rows that a reader skipped, and why."""

from __future__ import annotations

from dataclasses import dataclass

from presage_training.quoting import printable

__all__ = ["SkippedExample", "SkippedRows"]


@dataclass(frozen=True, slots=True)
class SkippedExample:
    where: str
    """The position in the log, for example ``line 12`` or ``invoice A563185``."""
    what: str
    """The content at that position."""


class SkippedRows:
    """Counts of skipped rows by reason, with the first few examples of each."""

    def __init__(self, *, max_examples: int = 3) -> None:
        self.counts: dict[str, int] = {}
        """Rows skipped for each reason, in the order in which the reasons first occurred."""
        self.examples: dict[str, list[SkippedExample]] = {}
        """The first examples of each reason, at most ``max_examples``."""
        self._max_examples = max_examples

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def add(self, reason: str, *, where: str, what: str) -> None:
        """Count a skipped row.

        Args:
            reason: One of a small set of reasons, displayed as it is: quoted input in it has to be ``printable``. Details go into
                ``what``.
            where: The position in the log. Displayed in one line and shortened, like ``what``.
            what: The content at that position.
        """
        self.counts[reason] = self.counts.get(reason, 0) + 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < self._max_examples:
            examples.append(SkippedExample(printable(where), printable(what)))
