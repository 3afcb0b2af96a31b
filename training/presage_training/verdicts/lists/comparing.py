"""Two versions of a ranking model on the same lists: how they differ, each figure with its interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from presage_training.errors import VerdictError
from presage_training.verdicts.estimates import Bootstrap, Estimate, compared_by_arm, estimate_by_arm
from presage_training.verdicts.lists.rows import PairedLists
from presage_training.verdicts.sequence import TIGHTEST_AT, Interval, confidence_sequence

__all__ = ["ListComparison", "compare_lists"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_HELD_OUT: Final = 3  # a number of presage.v1.Arm
_LEAST_FOUND: Final = 20
"""Fewest sessions with a taken item that each version must have served, for lists shown by both to be compared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListComparison:
    """How two versions ordered the same candidates.

    Intervals of ``ndcg``, ``took`` and ``purchased`` hold at all looks at once; the others are 95 % intervals from a bootstrap over
    visitors, for one look.
    """

    names: tuple[str, str]
    """What A and B are called in sentences."""
    target: str
    k: int
    rows: int
    """Sessions that are compared."""
    visitors: int
    lists: int
    """Lists of all sessions whose outcome is known."""
    found: int
    """Compared sessions in which a version had a taken item among its first k."""
    shown_by: Literal["both", "a", "b"]
    """Whose lists visitors saw. With ``both``, those shown by A count for half, and those shown by B, however many there are."""
    alpha: float
    """How likely it is that an interval of ``ndcg``, ``took`` or ``purchased`` is ever wrong."""
    ndcg: Estimate
    """NDCG@k of what was taken. Higher is better."""
    reciprocal_rank: Estimate
    overlap: Interval
    """The share of the first k that both versions have there."""
    took: Estimate | None
    """The share of sessions in which an item of a list was taken, by who served them; None if no arms were compared."""
    purchased: Estimate | None
    """The same of sessions with a purchase: a guardrail."""
    waiting: int
    """Sessions whose outcome is not known yet."""

    @property
    def is_better(self) -> bool:
        """Whether B is better, which A's advantage of having been shown alone cannot have caused."""
        return self.ndcg.difference.low > 0.0 and self.shown_by != "b"

    @property
    def is_worse(self) -> bool:
        """Whether B is worse, which A's having been shown alone cannot have caused."""
        return self.ndcg.difference.high < 0.0 and self.shown_by != "a"

    @property
    def sentence(self) -> str:
        """What the difference says, in one sentence."""
        a, b = self.names
        value, low, high = self.ndcg.difference
        what, seen = (
            f"NDCG@{self.k} of what visitors took",
            f"over {self.rows:,} sessions of {self.visitors:,} visitors",
        )
        if not self.rows:
            return "No difference seen yet: no outcome of a pair of lists is known."
        shown, other = (a, b) if self.shown_by == "a" else (b, a)
        if self.is_better:
            though = f", although visitors saw the lists of {a} alone" if self.shown_by == "a" else ""
            return f"{b} is better than {a}: its {what} is {value:.4f} higher (between {low:.4f} and {high:.4f}), {seen}{though}."
        if self.is_worse:
            though = f", although visitors saw the lists of {b} alone" if self.shown_by == "b" else ""
            return f"{b} is worse than {a}: its {what} is {-value:.4f} lower (between {-high:.4f} and {-low:.4f}), {seen}{though}."
        if not np.isfinite(high):
            return f"No difference seen yet, {seen}."
        if self.shown_by != "both" and (low > 0.0 or high < 0.0):
            return (
                f"Nothing can be said yet: visitors saw the lists of {shown} alone, {seen}, which favours it as much as a better "
                f"order would; give {other} a share of them."
            )
        span = f"between {-low:.4f} lower and {high:.4f} higher"
        return f"No difference seen yet: the {what} of {b} is {span} than that of {a}, {seen}."


def compare_lists(
    rows: PairedLists, *, alpha: float = 0.05, tightest_at: int = TIGHTEST_AT, draws: int = 200, seed: int = 7
) -> ListComparison:
    """Compare two versions.

    What was shown has an advantage: visitors who saw A's list took more of what A has at the top. Where both versions were shown,
    the mean difference over the sessions that A served and that over those that B served, weighted by propensities, count for half
    each. Then an item taken weighs the same whichever of the two lists it was taken from, and neither order has an advantage.

    Args:
        rows: Lists that both have scored, with what was taken; one row for each session of a visitor.
        alpha: How likely it may be that an interval that holds at all looks is ever wrong.
        tightest_at: See ``confidence_sequence``; the same at every look.
        draws: Draws of the bootstrap.
        seed: The same seed gives the same intervals.

    Raises:
        VerdictError: An argument is out of its range.
    """
    if draws < 2:
        raise VerdictError(f"draws: expected 2 or more, got {draws}")

    def sequence(values: Floats) -> Interval:
        return confidence_sequence(values, alpha=alpha, tightest_at=tightest_at)

    shown_by, chosen = _choose(rows)
    by_a, by_b = rows.served_a[chosen], rows.served_b[chosen]
    weights = [_weights(served, rows.propensities[chosen]) for served in (by_a, by_b) if served.any()]
    bootstrap = Bootstrap(rows.users[chosen], draws, seed)

    def balanced(values: Floats) -> Callable[[NDArray[np.int64]], float]:
        return lambda drawn: _balanced_mean(values[drawn], [of_version[drawn] for of_version in weights])

    def estimate(values_a: Floats, values_b: Floats) -> Estimate:
        a, b, difference = (
            sequence(_balanced_values(values, weights)) for values in (values_a, values_b, values_b - values_a)
        )
        return Estimate(a=a, b=b, difference=difference)

    return ListComparison(
        names=rows.names,
        target=rows.target,
        k=rows.k,
        rows=int(np.count_nonzero(chosen)),
        visitors=len(np.unique(rows.users[chosen])),
        lists=rows.lists,
        found=int(np.count_nonzero(rows.found[chosen])),
        shown_by=shown_by,
        alpha=alpha,
        ndcg=estimate(rows.ndcg_a[chosen], rows.ndcg_b[chosen]),
        reciprocal_rank=bootstrap.estimate(
            balanced(rows.reciprocal_rank_a[chosen]), balanced(rows.reciprocal_rank_b[chosen])
        ),
        overlap=bootstrap.interval(lambda drawn: float(rows.overlap[chosen][drawn].mean())),
        took=estimate_by_arm(rows.took.astype(np.float64), rows, sequence),
        purchased=estimate_by_arm(rows.purchased.astype(np.float64), rows, sequence),
        waiting=rows.waiting,
    )


def _choose(rows: PairedLists) -> tuple[Literal["both", "a", "b"], Flags]:
    """Choose the rows to compare, and say whose lists visitors saw in them."""
    compared = compared_by_arm(rows)
    if compared is not None:
        found = compared & rows.found
        if min(np.count_nonzero(found & rows.served_a), np.count_nonzero(found & rows.served_b)) >= _LEAST_FOUND:
            return "both", compared
    by_a, by_b = (served & (rows.arms != _HELD_OUT) for served in (rows.served_a, rows.served_b))
    return ("a", by_a) if np.count_nonzero(by_a) >= np.count_nonzero(by_b) else ("b", by_b)


def _weights(served: Flags, propensities: Floats) -> Floats:
    """Return the weights of the rows that one version served; 0 for the others. Their mean is 1."""
    weights = np.where(served, 1.0 / propensities, 0.0)
    mean: float = weights.mean()
    return weights / mean


def _balanced_values(values: Floats, weights: list[Floats]) -> Floats:
    """Return independent values whose mean is the mean over versions of the weighted mean of the rows that each served."""
    means = [float((values * of_version).mean()) for of_version in weights]
    residuals = [of_version * (values - mean) for of_version, mean in zip(weights, means, strict=True)]
    return np.mean(residuals, axis=0) + np.mean(means) if weights else values


def _balanced_mean(values: Floats, weights: list[Floats]) -> float:
    """Return the mean over versions of the weighted mean of rows; NaN if a draw has none of a version."""
    sums = [of_version.sum() for of_version in weights]
    if not all(sums):
        return float("nan")
    return float(
        np.mean([(values * of_version).sum() / total for of_version, total in zip(weights, sums, strict=True)])
    )
