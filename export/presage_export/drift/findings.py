"""What judging windows and days has found, and which of it matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Alarm", "Finding", "find_alarms"]

FALSE_DISCOVERIES: Final = 0.01
"""The share of significant findings that may be there by chance (Benjamini and Hochberg)."""

_LARGEST_CHANCE = 1e-6
"""What may be significant at most: where much has really changed, one in a hundred would still be many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One test of one column in one window, in two in a row, or in a day."""

    column: str
    test: str
    """``distribution``, ``zeros``, ``defaults``, ``missing``, ``level``, or ``busiest`` for the visitors."""
    window: int
    """Which of the windows."""
    windows: int = 1
    """How many windows it is about, and ``window`` is the last: two in a row, or those of a day."""
    effect: float
    """Cohen's w of a distribution, the difference of a share, or the share of the busiest visitor's rows."""
    needed: float
    """The effect from which it matters."""
    chance: float
    """How likely such an effect is if nothing but what is usual has changed; 1 unless each part of a pair or a day shows it."""
    expected: float
    """The share in the baseline; 0 for a distribution."""
    found: float
    """The share in the window; 0 for a distribution."""

    @property
    def first_window(self) -> int:
        """The window it begins with."""
        return self.window + 1 - self.windows

    @property
    def matters(self) -> bool:
        """Whether the effect is as large as has to be."""
        return self.effect >= self.needed

    def goes_with(self, other: Finding) -> bool:
        """Whether a share has become larger in both, or smaller in both."""
        return (self.found >= self.expected) == (other.found >= other.expected)


@dataclass(frozen=True, kw_only=True, slots=True)
class Alarm:
    """A column that has changed in two windows in a row, or in a day."""

    column: str
    test: str
    first: Finding
    """The earliest that raises it: it is known from the end of its window on."""
    worst: Finding
    last: Finding
    since: int
    """The window from which on it has been seen."""


def find_alarms(findings: Sequence[Finding]) -> list[Alarm]:
    """Find what matters and is not by chance, in two windows in a row or in a day.

    Over all columns, tests, pairs of windows and days, one in a hundred alarms may be false.

    Args:
        findings: All tests of all windows, pairs and days.

    Returns:
        One alarm for each column and test, the largest first.
    """
    together = [finding for finding in findings if finding.windows > 1]
    limit = min(_LARGEST_CHANCE, _largest_significant([finding.chance for finding in together]))
    raised: dict[tuple[str, str], list[Finding]] = {}
    for finding in together:
        if finding.chance <= limit and finding.matters:
            raised.setdefault((finding.column, finding.test), []).append(finding)
    alarms = [
        Alarm(
            column=column,
            test=test,
            first=min(found, key=lambda finding: finding.window),
            worst=max(found, key=lambda finding: finding.effect / finding.needed),
            last=max(found, key=lambda finding: finding.window),
            since=min(finding.first_window for finding in found),
        )
        for (column, test), found in raised.items()
    ]
    return sorted(alarms, key=lambda alarm: -alarm.worst.effect / alarm.worst.needed)


def _largest_significant(chances: Sequence[float]) -> float:
    """Return the largest chance that is significant (Benjamini and Hochberg 1995); below 0 if none is."""
    ordered = sorted(chances)
    allowed = [
        chance for rank, chance in enumerate(ordered, start=1) if chance <= FALSE_DISCOVERIES * rank / len(ordered)
    ]
    return allowed[-1] if allowed else -1.0
