"""The rules that a challenger is rolled back by, over what was counted of it and of the champion in one window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Any

from presage_export.registry import RollbackRules
from presage_server.telemetry.versions import RUN_EDGES_SECONDS, VersionMetrics

__all__ = ["Measured", "broken_rule"]

_SLOW_SHARE = 0.01
"""The share of the champion's runs that are slower than its 99th percentile."""
_MIN_RUNS = 20
_USUAL_ERRORS = 0.001
"""The share of its scores that may fail though none of the champion's do: there may be a visitor that neither can score."""
_CHANCE = 1e-7
"""How likely it may be that an equal challenger has as many errors, or slow runs, as it had. It is looked at 86,400 times a day,
and a pause of the process, as by the kernel, is not the model's doing."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was counted of a version, since it was loaded or in a window."""

    scores: int
    """Scores that were made, for callers or in pairs."""
    errors: int
    """Scores that failed, for callers or in pairs."""
    paired: int
    paired_score_sum: float
    paired_features: int
    paired_defaults: int
    runs: tuple[tuple[int, ...], ...]
    """How many runs took how long, by the size class of their batches; see ``VersionCounts``."""

    @classmethod
    def of(cls, versions: VersionMetrics, version: Any) -> Measured:
        """Read what has been counted of a version."""
        scores, errors = versions.count_served(version)
        counts = versions.of(version)
        return cls(
            scores + counts.paired_others,
            errors + counts.paired_errors,
            counts.paired,
            counts.paired_score_sum,
            counts.paired_features,
            counts.paired_defaults,
            tuple(map(tuple, counts.runs)),
        )

    def since(self, before: Measured) -> Measured:
        """Return what was counted between two moments."""
        return Measured(
            self.scores - before.scores,
            self.errors - before.errors,
            self.paired - before.paired,
            self.paired_score_sum - before.paired_score_sum,
            self.paired_features - before.paired_features,
            self.paired_defaults - before.paired_defaults,
            tuple(
                tuple(now - then for now, then in zip(of_class, of_class_before, strict=True))
                for of_class, of_class_before in zip(self.runs, before.runs, strict=True)
            ),
        )

    @property
    def error_share(self) -> float:
        """The share of scores that failed; 0 if there were none."""
        return self.errors / max(1, self.scores + self.errors)

    @property
    def default_share(self) -> float:
        """The share of features that were at their defaults."""
        return self.paired_defaults / max(1, self.paired_features)

    @property
    def mean_score(self) -> float:
        """Of the visitors that all versions have scored."""
        return self.paired_score_sum / max(1, self.paired)


def broken_rule(rules: RollbackRules, champion: Measured, challenger: Measured) -> str:
    """Return which rule the challenger breaks, with the numbers; empty if it breaks none.

    Scores and features are compared over visitors that both versions have scored, so it does not matter which of them each serves.
    """
    if challenger.scores + challenger.errors >= rules.min_scores:
        excess = challenger.error_share - champion.error_share
        usual = max(champion.error_share, _USUAL_ERRORS)
        tries = challenger.scores + challenger.errors
        if excess > rules.max_error_share and _at_least(challenger.errors, tries, usual) < _CHANCE:
            return (
                f"{challenger.errors:,} of {tries:,} scores failed "
                f"({challenger.error_share:.1%}), and {champion.error_share:.1%} of the champion's; "
                f"expected at most {rules.max_error_share:.1%} more"
            )
        if slow := _slow_runs(rules.max_latency_ratio, champion.runs, challenger.runs):
            return slow
    if min(challenger.paired, champion.paired) >= rules.min_scores:
        if abs(challenger.default_share - champion.default_share) > rules.max_default_share_difference:
            return (
                f"{challenger.default_share:.1%} of the features are at their defaults, and {champion.default_share:.1%} of the "
                f"champion's, of {challenger.paired:,} visitors; expected a difference of at most "
                f"{rules.max_default_share_difference:.1%}"
            )
        if abs(challenger.mean_score - champion.mean_score) > rules.max_score_shift:
            return (
                f"the mean score is {challenger.mean_score:.4f}, and {champion.mean_score:.4f} by the champion, of the same "
                f"{challenger.paired:,} visitors; expected a difference of at most {rules.max_score_shift:g}"
            )
    return ""


def _slow_runs(ratio: float, champion: Sequence[Sequence[int]], challenger: Sequence[Sequence[int]]) -> str:
    """Compare the times of runs of about as many rows."""
    for of_champion, of_challenger in zip(champion, challenger, strict=True):
        runs = sum(of_challenger)
        if min(runs, sum(of_champion)) < _MIN_RUNS:
            continue
        usual = _percentile_99(of_champion)
        slow = sum(
            count for edge, count in zip(RUN_EDGES_SECONDS, of_challenger[1:], strict=True) if edge >= ratio * usual
        )
        if _at_least(slow, runs, _SLOW_SHARE) < _CHANCE:
            return (
                f"{slow:,} of {runs:,} runs took longer than {ratio * usual * 1e3:.3g} ms, {ratio:g} times the champion's 99th "
                f"percentile; expected at most {_SLOW_SHARE:.0%}"
            )
    return ""


def _percentile_99(counts: Sequence[int]) -> float:
    """Return the upper end of the class that holds the 99th percentile."""
    left = 0.99 * sum(counts)
    for edge, count in zip(RUN_EDGES_SECONDS, counts, strict=False):
        left -= count
        if left <= 0:
            return edge
    return RUN_EDGES_SECONDS[-1]


def _at_least(count: int, trials: int, share: float) -> float:
    """Bound how likely it is that at least so many of the trials happen, each with this probability (Chernoff's bound)."""
    seen = count / trials
    if seen <= share:
        return 1.0
    divergence = seen * log(seen / share)
    if count < trials:
        divergence += (1.0 - seen) * log((1.0 - seen) / (1.0 - share))
    return exp(-trials * divergence)
