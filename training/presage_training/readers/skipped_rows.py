"""Rows and values that a reader skipped, and why."""

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
    """Counts of skipped rows and values by reason, with the first few examples of each."""

    def __init__(self, *, max_examples: int = 3) -> None:
        self.counts: dict[str, int] = {}
        """Rows or values skipped for each reason, in the order in which the reasons first occurred."""
        self.examples: dict[str, list[SkippedExample]] = {}
        """The first examples of each reason, at most ``max_examples``."""
        self.file = ""
        """The file that is being read, where a log has several; examples name it."""
        self._max_examples = max_examples
        self._kept_rows: set[str] = set()

    @property
    def total(self) -> int:
        """The number of skipped rows."""
        return sum(count for reason, count in self.counts.items() if reason not in self._kept_rows)

    @property
    def values(self) -> dict[str, int]:
        """Skipped values of rows that were kept, by reason."""
        return {reason: count for reason, count in self.counts.items() if reason in self._kept_rows}

    def add_value(self, reason: str, *, where: str, what: str) -> None:
        """Count a skipped value of a row that was kept; see ``add``."""
        self._kept_rows.add(reason)
        self.add(reason, where=where, what=what)

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
            place = f"{self.file} {where}" if self.file else where
            examples.append(SkippedExample(printable(place), printable(what)))
