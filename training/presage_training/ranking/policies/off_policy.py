"""Estimates of what a policy would have brought, from rounds in which another one chose with known probabilities.

A round is one place of a list that a visitor saw: an item was put there with a propensity, and it was clicked or not. Estimators
assume that a click depends on the item and its place, not on the rest of the list (the item-position model of Li et al.,
"Offline evaluation of ranking policies with click models", 2018), and are otherwise free of models:

- ``ips`` weighs each round by the new policy's probability over the logged one's: unbiased where the logged policy could have
  chosen whatever the new one does (Horvitz and Thompson, 1952).
- ``snips`` divides by the mean weight at each place: less variance for a small bias (Swaminathan and Joachims, 2015).
- ``doubly_robust`` adds a model's prediction, and corrects it by the weighted errors (Dudík et al., 2011).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_training.errors import DatasetError
from presage_training.report.metrics import Metric, MetricDraws

__all__ = ["ESTIMATORS", "LoggedRounds", "PolicyEstimate", "Predictions", "estimate_policy"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

ESTIMATORS = ("logged", "ips", "snips", "direct", "doubly_robust")
"""``logged`` is what the policy of the log brought; ``direct`` the model's prediction alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedRounds:
    """What was shown, with which probabilities, and what it brought. All arrays have one value for each round.

    Raises:
        DatasetError: A propensity is not more than 0 and at most 1, a probability not between 0 and 1, a reward not a finite
            number, or the arrays differ in length or are empty.
    """

    rewards: Floats
    """What it brought, such as 1 for a click."""
    propensities: Floats
    """The probability with which the logged policy put the item there."""
    targets: Floats
    """The probability with which the new policy would have."""
    visitors: Numbers
    """The visitor's number: rounds of one visitor are drawn together."""
    lists: Numbers
    """The number of the list: values are means over lists."""
    places: Numbers
    """The place in the list."""

    def __post_init__(self) -> None:
        size = len(self.rewards)
        if not size:
            raise DatasetError("rounds: expected at least one, got none")
        for name in ("propensities", "targets", "visitors", "lists", "places"):
            if len(getattr(self, name)) != size:
                raise DatasetError(f"{name}: expected {size} values, got {len(getattr(self, name))}")
        if not np.isfinite(self.rewards).all():
            raise DatasetError("rewards: expected finite numbers")
        wrong = np.flatnonzero(~((self.propensities > 0.0) & (self.propensities <= 1.0)))
        if len(wrong):
            raise DatasetError(
                f"propensities: expected more than 0 and at most 1, got {self.propensities[wrong[0]]} in {len(wrong):,} of {size:,}"
                " rounds; send the propensity of the response with each item of VIEW_ITEM_LIST"
            )
        if not ((self.targets >= 0.0) & (self.targets <= 1.0 + 1e-9)).all():
            raise DatasetError("targets: expected probabilities of 0 to 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Predictions:
    """Rewards by a model that was not fitted on the round's visitor."""

    shown: Floats
    """Of the item that was shown."""
    expected: Floats
    """Of what the new policy would have shown: the mean over its items, by their probabilities."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyEstimate:
    """The value of a policy for each list."""

    values: dict[str, Metric]
    """By ESTIMATORS, with 95 % intervals from a bootstrap over visitors; without those that need predictions if there are none."""
    ahead: dict[str, Metric]
    """How much more than the logged policy, in pairs."""
    rounds: int
    lists: int
    effective_rounds: float
    """How many rounds without weights would give as much: the square of the sum of weights over the sum of their squares."""
    mean_weight: float
    """1 if the logged policy could have shown whatever the new one would; less where it could not, which no estimate sees."""
    largest_weight: float
    """Before clipping."""
    clipped: int
    """Rounds whose weight was clipped."""


def estimate_policy(
    rounds: LoggedRounds,
    predictions: Predictions | None = None,
    *,
    clip: float | None = None,
    seed: int = 7,
    draws: int = 500,
) -> PolicyEstimate:
    """Estimate what a policy would have brought, next to what was brought.

    Args:
        rounds: What was logged.
        predictions: Of a model; None: no estimates that need one.
        clip: The largest weight; None: no limit. Clipping is biased toward less, for less variance.
        seed: For the draws of visitors.
        draws: How many.
    """
    weights = rounds.targets / rounds.propensities
    largest = float(weights.max())
    clipped = 0 if clip is None else int((weights > clip).sum())
    if clip is not None:
        weights = np.minimum(weights, clip)
    means = _Means(rounds, seed, draws)
    values = {"logged": means.of(rounds.rewards), "ips": means.of(weights * rounds.rewards)}
    values["snips"] = means.self_normalised(weights, rounds.rewards)
    if predictions is not None:
        values["direct"] = means.of(predictions.expected)
        values["doubly_robust"] = means.of(predictions.expected + weights * (rounds.rewards - predictions.shown))
    squares = float((weights**2).sum())
    return PolicyEstimate(
        values=MetricDraws(values).metrics(),
        ahead={
            name: MetricDraws({name: values[name] - values["logged"]}).metrics()[name]
            for name in values
            if name != "logged"
        },
        rounds=len(weights),
        lists=means.lists,
        effective_rounds=float(weights.sum()) ** 2 / squares if squares else 0.0,
        mean_weight=float(weights.mean()),
        largest_weight=largest,
        clipped=clipped,
    )


class _Means:
    """Means over lists, of all visitors and of each draw of them with replacement."""

    def __init__(self, rounds: LoggedRounds, seed: int, draws: int) -> None:
        visitors, self._visitors = np.unique(rounds.visitors, return_inverse=True)
        places, self._places = np.unique(rounds.places, return_inverse=True)
        self._shape = len(visitors), len(places)
        self._seed, self._draws = seed, draws
        first = np.unique(rounds.lists, return_index=True)[1]
        self.lists = len(first)
        self._list_counts = self._drawn(np.bincount(self._visitors[first], minlength=len(visitors))[:, None])[:, 0]

    def of(self, values: Floats) -> Floats:
        """Return the mean sum of a list's values, over all lists and over those of each draw."""
        by_visitor = np.bincount(self._visitors, values, self._shape[0])
        return np.asarray(self._drawn(by_visitor[:, None])[:, 0] / self._list_counts, np.float64)

    def self_normalised(self, weights: Floats, rewards: Floats) -> Floats:
        """Return the sum over places of the mean reward of a list there, by weights; 0 where a place has no weight."""
        weight, reward, rounds = (
            self._drawn(self._by_place(values)) for values in (weights, weights * rewards, np.ones(len(weights)))
        )
        means = np.divide(reward, weight, out=np.zeros_like(weight), where=weight > 0.0)
        return np.asarray((means * rounds).sum(axis=1) / self._list_counts, np.float64)

    def _by_place(self, values: Floats) -> Floats:
        """Sum by visitor and place."""
        visitors, places = self._shape
        cells = self._visitors * places + self._places
        return np.asarray(np.bincount(cells, values, visitors * places), np.float64).reshape(visitors, places)

    def _drawn(self, by_visitor: Floats | Numbers) -> Floats:
        """Sum over all visitors, and over those of each draw: shape (1 + draws, columns)."""
        # The draws are made again for each sum: all of them at once would not fit in memory.
        random, count = np.random.default_rng(self._seed), len(by_visitor)
        drawn = (np.bincount(random.integers(count, size=count), minlength=count) for _ in range(self._draws))
        return np.array([by_visitor.sum(axis=0), *(times @ by_visitor for times in drawn)], np.float64)
