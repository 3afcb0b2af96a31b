"""What visitors pick from lists: a multinomial choice in which later places are looked at less, and what a list is worth to them.

A product at place ``p`` is chosen with a probability in proportion to ``attention(p) * exp(utility)``, none of them in proportion
to ``exp(OUTSIDE)``. The worth of a list is the utility that such a visitor expects of it, above that of none:
``log(1 + sum(attention(p) * exp(utility - OUTSIDE)))``. It is highest where products stand in the order of their utility, so that
regret, what a list is worth less than the best one, is never below 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log1p
from random import Random

__all__ = ["OUTSIDE", "attention", "choose", "list_worth", "regret_of"]

OUTSIDE = 4.0
"""The utility of choosing nothing."""

_DECAY = 0.6


def attention(place: int) -> float:
    """Return how much of the first place's attention a place gets; the first is 1."""
    return float(place**-_DECAY)


def list_worth(utilities: Sequence[float]) -> float:
    """Return what a list is worth, from the utilities of its products in their order; 0 for an empty list."""
    return log1p(sum(_weights(utilities)))


def regret_of(shown: Sequence[float], everything: Sequence[float], *, k: int) -> float:
    """Return how much less a list is worth than the best one with as many places.

    Args:
        shown: The utilities of the products shown, in their order; at most ``k``.
        everything: Those of all products that could have been shown.
        k: The places that there were.
    """
    return max(0.0, list_worth(sorted(everything, reverse=True)[:k]) - list_worth(shown))


def choose(utilities: Sequence[float], rng: Random) -> int | None:
    """Pick from a list; returns the index, or None if nothing is picked."""
    weights = _weights(utilities)
    [chosen] = rng.choices(range(-1, len(weights)), [1.0, *weights])
    return None if chosen < 0 else chosen


def _weights(utilities: Sequence[float]) -> list[float]:
    return [attention(place) * exp(utility - OUTSIDE) for place, utility in enumerate(utilities, 1)]
