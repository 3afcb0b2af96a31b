"""Two versions of a model on the same rows: how they differ, each figure with its interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_training.errors import VerdictError
from presage_training.verdicts.rows import PairedRows, Unmatched
from presage_training.verdicts.sequence import TIGHTEST_AT, Interval, confidence_sequence

__all__ = ["Comparison", "Estimate", "compare"]

Floats = NDArray[np.float64]

_NEAREST_TO_CERTAIN = 1e-6
_CHAMPION, _CHALLENGER = 1, 2  # numbers of presage.v1.Arm


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A figure of both versions and their difference, B - A."""

    a: Interval
    b: Interval
    difference: Interval


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """How two versions did on the same rows.

    Intervals of ``loss`` and ``conversion`` hold at all looks at once; the others are 95 % intervals from a bootstrap over
    visitors, for one look.
    """

    names: tuple[str, str]
    """What A and B are called in sentences."""
    target: str
    is_classification: bool
    rows: int
    visitors: int
    positives: int
    """Rows with a label above 0."""
    alpha: float
    """How likely it is that an interval of ``loss`` or ``conversion`` is ever wrong."""
    loss: Estimate
    """Log loss; the squared error of amounts. Lower is better."""
    auc: Estimate | None
    """ROC-AUC; None for amounts, or where all labels are the same."""
    calibration: Estimate
    """Calibration-in-the-large: the mean score minus the mean label; 0 is right."""
    agreement: Interval
    """The rank correlation of both versions' scores."""
    conversion: Estimate | None
    """The mean label of visitors served by each version, by their propensities; None if no arms were compared. A guardrail: it
    needs far more rows than the loss to tell versions apart."""
    unmatched: Unmatched
    """Pairs that are not among the rows."""

    @property
    def sentence(self) -> str:
        """What the difference of the losses says, in one sentence."""
        a, b = self.names
        what = "log loss" if self.is_classification else "squared error"
        value, low, high = self.loss.difference
        seen = f"over {self.rows:,} sessions of {self.visitors:,} visitors"
        if not self.rows:
            return "No difference seen yet: no outcome of a pair is known."
        if high < 0.0:
            return f"{b} is better than {a}: its {what} is {-value:.4f} lower (between {-high:.4f} and {-low:.4f}), {seen}."
        if low > 0.0:
            return (
                f"{b} is worse than {a}: its {what} is {value:.4f} higher (between {low:.4f} and {high:.4f}), {seen}."
            )
        if not np.isfinite(high):
            return f"No difference seen yet, {seen}."
        span = f"between {-low:.4f} lower and {high:.4f} higher"
        return f"No difference seen yet: the {what} of {b} is {span} than that of {a}, {seen}."


def compare(
    rows: PairedRows, *, alpha: float = 0.05, tightest_at: int = TIGHTEST_AT, draws: int = 200, seed: int = 7
) -> Comparison:
    """Compare two versions.

    Args:
        rows: What both have scored, with what came of it; one row for each session of a visitor.
        alpha: How likely it may be that an interval of the loss is ever wrong, over all looks.
        tightest_at: See ``confidence_sequence``; the same at every look.
        draws: Draws of the bootstrap.
        seed: The same seed gives the same intervals.

    Raises:
        VerdictError: An argument is out of its range.
    """
    if draws < 2:
        raise VerdictError(f"draws: expected 2 or more, got {draws}")
    labels = rows.labels
    losses = [_losses(rows, scores) for scores in (rows.scores_a, rows.scores_b)]

    def sequence(values: Floats) -> Interval:
        return confidence_sequence(values, alpha=alpha, tightest_at=tightest_at)

    bootstrap = _Bootstrap(rows.users, draws, seed)
    is_known = bool(len(rows)) and bool((labels != labels[0]).any())
    return Comparison(
        names=rows.names,
        target=rows.target,
        is_classification=rows.is_classification,
        rows=len(rows),
        visitors=len(np.unique(rows.users)),
        positives=int(np.count_nonzero(labels > 0.0)),
        alpha=alpha,
        loss=Estimate(a=sequence(losses[0]), b=sequence(losses[1]), difference=sequence(losses[1] - losses[0])),
        auc=bootstrap.estimate(
            lambda chosen: _auc(labels[chosen], rows.scores_a[chosen]),
            lambda chosen: _auc(labels[chosen], rows.scores_b[chosen]),
        )
        if rows.is_classification and is_known
        else None,
        calibration=bootstrap.estimate(
            lambda chosen: _mean(rows.scores_a[chosen] - labels[chosen]),
            lambda chosen: _mean(rows.scores_b[chosen] - labels[chosen]),
        ),
        agreement=bootstrap.interval(lambda chosen: _rank_correlation(rows.scores_a[chosen], rows.scores_b[chosen])),
        conversion=_conversion(rows, sequence),
        unmatched=rows.unmatched,
    )


def _losses(rows: PairedRows, scores: Floats) -> Floats:
    if not rows.is_classification:
        return (scores - rows.labels) ** 2
    clipped = np.clip(scores, _NEAREST_TO_CERTAIN, 1.0 - _NEAREST_TO_CERTAIN)
    return -np.where(rows.labels > 0.0, np.log(clipped), np.log1p(-clipped))


def _conversion(rows: PairedRows, sequence: Callable[[Floats], Interval]) -> Estimate | None:
    """Estimate the mean label of the visitors that each version serves; weighted by propensity, one mean of independent rows."""
    compared = (rows.served_a | rows.served_b) & np.isin(rows.arms, (_CHAMPION, _CHALLENGER))
    if not (compared & rows.served_a).any() or not (compared & rows.served_b).any():
        return None
    chosen = rows.take(compared)
    by_a = np.where(chosen.served_a, chosen.labels, 0.0) / chosen.propensities
    by_b = np.where(chosen.served_b, chosen.labels, 0.0) / chosen.propensities
    # Of those on one of the two arms: the others are held out.
    share = np.mean(chosen.served_a / chosen.propensities), np.mean(chosen.served_b / chosen.propensities)
    mean_a, mean_b = by_a.mean() / share[0], by_b.mean() / share[1]
    # Residuals instead of labels: as exact on average, with the variance of the labels alone.
    residual_a = np.where(chosen.served_a, chosen.labels - mean_a, 0.0) / chosen.propensities / share[0]
    residual_b = np.where(chosen.served_b, chosen.labels - mean_b, 0.0) / chosen.propensities / share[1]
    return Estimate(
        a=sequence(residual_a + mean_a),
        b=sequence(residual_b + mean_b),
        difference=sequence(residual_b - residual_a + mean_b - mean_a),
    )


class _Bootstrap:
    """Draws of visitors with replacement, as indices of their rows; the same for all figures, so that differences are paired."""

    def __init__(self, users: NDArray[np.int64], draws: int, seed: int) -> None:
        order = np.argsort(users, kind="stable")
        _, firsts = np.unique(users[order], return_index=True)
        of_user = np.split(order, firsts[1:]) if len(users) else []
        random = np.random.default_rng(seed)
        self._all = np.arange(len(users))
        self._drawn = [
            np.concatenate([of_user[user] for user in random.integers(len(of_user), size=len(of_user))])
            for _ in range(draws if of_user else 0)
        ]

    def interval(self, measure: Callable[[NDArray[np.int64]], float]) -> Interval:
        """Return a figure of all rows and its 95 % interval; infinite where it is not defined."""
        return _interval(measure(self._all) if len(self._all) else 0.0, [measure(drawn) for drawn in self._drawn])

    def estimate(
        self, measure_a: Callable[[NDArray[np.int64]], float], measure_b: Callable[[NDArray[np.int64]], float]
    ) -> Estimate:
        """Return a figure of both versions, and of their difference."""
        if not len(self._all):
            return Estimate(a=_interval(0.0, []), b=_interval(0.0, []), difference=_interval(0.0, []))
        drawn_a = np.array([measure_a(drawn) for drawn in self._drawn])
        drawn_b = np.array([measure_b(drawn) for drawn in self._drawn])
        value_a, value_b = measure_a(self._all), measure_b(self._all)
        return Estimate(
            a=_interval(value_a, drawn_a),
            b=_interval(value_b, drawn_b),
            difference=_interval(value_b - value_a, drawn_b - drawn_a),
        )


def _interval(value: float, drawn: NDArray[np.float64] | list[float]) -> Interval:
    defined = np.asarray(drawn, np.float64)
    defined = defined[np.isfinite(defined)]
    if len(defined) < 2:
        return Interval(value, -np.inf, np.inf)
    low, high = np.percentile(defined, (2.5, 97.5))
    return Interval(value, float(low), float(high))


def _mean(values: Floats) -> float:
    return float(values.mean())


def _auc(labels: Floats, scores: Floats) -> float:
    """Return the ROC-AUC; NaN if all labels are the same."""
    positive = labels > 0.0
    positives = int(np.count_nonzero(positive))
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = _ranks(scores)
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _rank_correlation(first: Floats, second: Floats) -> float:
    """Return Spearman's correlation; 1 if neither varies, NaN if one does not."""
    ranks = _ranks(first), _ranks(second)
    spreads = ranks[0].std(), ranks[1].std()
    if not spreads[0] or not spreads[1]:
        return 1.0 if spreads[0] == spreads[1] else float("nan")
    return float(np.mean((ranks[0] - ranks[0].mean()) * (ranks[1] - ranks[1].mean())) / (spreads[0] * spreads[1]))


def _ranks(values: Floats) -> Floats:
    """Return the ranks, from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return ((2 * ends - counts + 1) / 2.0)[inverse]
