"""How much better lists could have been, by ranker: the same visitors, each ranker in a simulation of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from presage_training.report.metrics import MetricDraws
from presage_training.simulator.list_visits import ShownList

__all__ = ["LIST_METRICS", "measure_lists"]

LIST_METRICS = ("regret", "worth", "chosen")
"""Per list: the mean regret, the mean worth, and the share of lists from which something was picked."""


def measure_lists(lists: Mapping[str, Sequence[ShownList]], *, seed: int, draws: int = 500) -> dict[str, MetricDraws]:
    """Average over lists, and over draws of visitors, the same for all rankers, so that differences are in pairs.

    Args:
        lists: What each ranker showed, by its name, to visitors of the same ids; at least one list each.
        seed: The same seed draws the same visitors.
        draws: How many.

    Raises:
        ValueError: A ranker showed nothing.
    """
    visitors = {shown.user_id for of_ranker in lists.values() for shown in of_ranker}
    numbers = {user_id: number for number, user_id in enumerate(sorted(visitors))}
    random = np.random.default_rng(seed)
    drawn = [
        np.bincount(random.integers(len(numbers), size=len(numbers)), minlength=len(numbers)) for _ in range(draws)
    ]
    weights = np.stack([np.ones(len(numbers)), *drawn])
    measured = {}
    for name, of_ranker in lists.items():
        if not of_ranker:
            raise ValueError(f"lists: expected at least one of {name!r}, got none")
        of_visitors = np.array([numbers[shown.user_id] for shown in of_ranker])
        counts = weights @ np.bincount(of_visitors, minlength=len(numbers))
        sums = _sums(of_ranker, of_visitors, len(numbers))
        with np.errstate(invalid="ignore"):  # a draw without visitors of this ranker
            measured[name] = MetricDraws(dict(zip(LIST_METRICS, (weights @ sums / counts[:, None]).T, strict=True)))
    return measured


def _sums(lists: Sequence[ShownList], of_visitors: NDArray[np.int64], visitors: int) -> NDArray[np.float64]:
    values = np.array([(shown.regret, shown.worth, shown.chosen is not None) for shown in lists], np.float64)
    return np.stack([np.bincount(of_visitors, column, visitors) for column in values.T], axis=1)
