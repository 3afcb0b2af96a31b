"""Figures of two versions and of their difference, each with its interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from presage_training.verdicts.sequence import Interval

__all__ = ["Bootstrap", "Estimate", "Served", "compared_by_arm", "estimate_by_arm"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_CHAMPION, _CHALLENGER = 1, 2  # numbers of presage.v1.Arm


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A figure of both versions and their difference, B - A."""

    a: Interval
    b: Interval
    difference: Interval


class Served(Protocol):
    """Rows, one for each session of a visitor, and which version served each."""

    @property
    def arms(self) -> NDArray[np.int8]:
        """A number of ``presage.v1.Arm``."""
        ...

    @property
    def propensities(self) -> Floats:
        """The share of visitors that had this arm."""
        ...

    @property
    def served_a(self) -> Flags: ...
    @property
    def served_b(self) -> Flags: ...


def compared_by_arm(rows: Served) -> Flags | None:
    """Select the rows of visitors who were assigned to one of both versions; None if either version served none of them."""
    compared = (rows.served_a | rows.served_b) & np.isin(rows.arms, (_CHAMPION, _CHALLENGER))
    if not (compared & rows.served_a).any() or not (compared & rows.served_b).any():
        return None
    return compared


def estimate_by_arm(values: Floats, rows: Served, sequence: Callable[[Floats], Interval]) -> Estimate | None:
    """Estimate the mean of the values of the visitors that each version serves; by propensity, one mean of independent rows.

    Args:
        values: What came of each row.
        rows: Who served them.
        sequence: Estimates the mean of independent values.

    Returns:
        None if no arms were compared.
    """
    compared = compared_by_arm(rows)
    if compared is None:
        return None
    values, propensities = values[compared], rows.propensities[compared]
    served_a, served_b = rows.served_a[compared], rows.served_b[compared]
    by_a = np.where(served_a, values, 0.0) / propensities
    by_b = np.where(served_b, values, 0.0) / propensities
    # Of those on one of the two arms: the others are held out.
    share = np.mean(served_a / propensities), np.mean(served_b / propensities)
    mean_a, mean_b = by_a.mean() / share[0], by_b.mean() / share[1]
    weights_a, weights_b = served_a / propensities / share[0], served_b / propensities / share[1]
    # Residuals instead of values: as exact on average, with the variance of the values alone.
    residual_a, residual_b = weights_a * (values - mean_a), weights_b * (values - mean_b)
    spread = float(values.std())
    return Estimate(
        a=sequence(mean_a + _spread_out(residual_a, spread, weights_a)),
        b=sequence(mean_b + _spread_out(residual_b, spread, weights_b)),
        difference=sequence(mean_b - mean_a + _spread_out(residual_b - residual_a, spread, weights_a + weights_b)),
    )


def _spread_out(residuals: Floats, spread: float, weights: Floats) -> Floats:
    """Return residuals with at least the spread that they had if outcomes varied as much for each version as for both together.

    As in the test of two shares with a common variance: of a version that served a hundred sessions at 2 %, none of which has a
    purchase by chance, the residuals alone say that there never is one.
    """
    own, least = float(residuals.std()), spread * float(np.sqrt(np.mean(weights**2)))
    return residuals * (least / own) if 0.0 < own < least else residuals


class Bootstrap:
    """Draws of visitors with replacement, as indices of their rows; the same for all figures, so that differences are paired.

    Args:
        users: The visitor's number of each row.
        draws: How many.
        seed: The same seed gives the same draws.
    """

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
