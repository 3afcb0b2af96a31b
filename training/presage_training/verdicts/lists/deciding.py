"""What follows from a comparison of lists for a challenger: it is promoted, rolled back, or goes on."""

from __future__ import annotations

from presage_training.verdicts.deciding import Action, Decision, DecisionRules
from presage_training.verdicts.estimates import Estimate
from presage_training.verdicts.lists.comparing import ListComparison

__all__ = ["decide_lists"]


def decide_lists(comparison: ListComparison, rules: DecisionRules | None = None) -> Decision:
    """Decide about a challenger, B, beside a champion, A. It may be asked at any time, as often as one likes.

    The order of what visitors took decides. What those took and bought who were served by each version are guardrails.
    """
    rules = rules or DecisionRules()
    if comparison.rows < rules.min_rows or comparison.found < rules.min_positives:
        return Decision(
            action=Action.CONTINUE,
            reason=f"too few outcomes: {comparison.rows:,} sessions, {comparison.found:,} of them with an item that a version had "
            f"among its first {comparison.k}; expected {rules.min_rows:,} and {rules.min_positives:,}",
        )
    if comparison.is_worse:
        return Decision(action=Action.ROLL_BACK, reason=comparison.sentence)
    for estimate, what in ((comparison.took, "take an item of a list"), (comparison.purchased, "buy something")):
        if estimate is not None and estimate.difference.high < 0.0:
            return Decision(action=Action.ROLL_BACK, reason=_harm(comparison, estimate, what))
    action = Action.PROMOTE if comparison.is_better else Action.CONTINUE
    return Decision(action=action, reason=comparison.sentence)


def _harm(comparison: ListComparison, estimate: Estimate, what: str) -> str:
    a, b = comparison.names
    value, low, high = estimate.difference
    return (
        f"visitors served by {b} {what} in {-value:.4f} (between {-high:.4f} and {-low:.4f}) less of their sessions than the "
        f"{estimate.a.value:.4f} of those served by {a}"
    )
