"""What follows from a comparison for a challenger: it is promoted, rolled back, or stays challenger."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from presage_training.errors import VerdictError
from presage_training.verdicts.comparing import Comparison

__all__ = ["Action", "Decision", "DecisionRules", "decide"]


class Action(Enum):
    """What is done with a challenger."""

    PROMOTE = "promote"
    ROLL_BACK = "roll back"
    CONTINUE = "continue"


@dataclass(frozen=True, kw_only=True, slots=True)
class DecisionRules:
    """What a decision needs.

    Raises:
        VerdictError: A number is out of its range.
    """

    min_rows: int = 200
    """How many sessions with a known outcome there must be, since intervals of few rows promise too much."""
    min_positives: int = 20
    """How many of them must have a label above 0, and how many must not."""
    max_miscalibration: float = 0.1
    """A challenger is not promoted if its mean score is further from the mean label than the champion's by more than this."""

    def __post_init__(self) -> None:
        if self.min_rows < 2:
            raise VerdictError(f"min_rows: expected 2 or more, got {self.min_rows}")
        if self.min_positives < 0:
            raise VerdictError(f"min_positives: expected 0 or more, got {self.min_positives}")
        if self.max_miscalibration < 0.0:
            raise VerdictError(f"max_miscalibration: expected 0 or more, got {self.max_miscalibration}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    action: Action
    reason: str
    """Why, with the numbers."""


def decide(comparison: Comparison, rules: DecisionRules | None = None) -> Decision:
    """Decide about a challenger, B, beside a champion, A. The decision is valid however often this is called.

    The loss decides, over rows that both have scored. The conversion of the visitors that each one serves is a guardrail.
    """
    rules = rules or DecisionRules()
    a, b = comparison.names
    least_class = min(comparison.positives, comparison.rows - comparison.positives)
    if comparison.rows < rules.min_rows or (comparison.is_classification and least_class < rules.min_positives):
        return Decision(
            action=Action.CONTINUE,
            reason=f"too few outcomes: {comparison.rows:,} sessions, {comparison.positives:,} of them with a purchase; expected "
            f"{rules.min_rows:,}, and {rules.min_positives:,} of each kind",
        )
    if comparison.loss.difference.low > 0.0:
        return Decision(action=Action.ROLL_BACK, reason=comparison.sentence)
    conversion = comparison.conversion
    if conversion is not None and conversion.difference.high < 0.0:
        value, low, high = conversion.difference
        return Decision(
            action=Action.ROLL_BACK,
            reason=f"visitors served by {b} bring {-value:.4f} (between {-high:.4f} and {-low:.4f}) less for each session than the "
            f"{conversion.a.value:.4f} of those served by {a}",
        )
    if comparison.loss.difference.high >= 0.0:
        return Decision(action=Action.CONTINUE, reason=comparison.sentence)
    off_a, off_b = abs(comparison.calibration.a.value), abs(comparison.calibration.b.value)
    if off_b - off_a > rules.max_miscalibration:
        return Decision(
            action=Action.CONTINUE,
            reason=f"{comparison.sentence} But its mean score is {off_b:.4f} from the mean outcome, and that of {a} {off_a:.4f}.",
        )
    return Decision(action=Action.PROMOTE, reason=comparison.sentence)
