"""Losses of margins, which the search for parameters minimises."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.link import Link, apply_link_array
from presage_training.models.rows import Rows

__all__ = ["Task", "group_sizes", "log_loss", "loss_of", "ndcg"]

Task = Literal["classification", "regression", "ranking"]
"""The sort of target: 0 or 1, a number, or a grade within a list."""

_NEAREST_TO_CERTAIN = 1e-6
_RANKS = 10


def loss_of(task: Task, link: Link, rows: Rows, margins: NDArray[np.float64]) -> float:
    """Compute log loss to classify, mean squared error to predict, and 1 minus NDCG@10 to rank."""
    if task == "classification":
        return log_loss(rows.targets, apply_link_array(link, margins))
    if task == "regression":
        return float(np.mean((margins - rows.targets) ** 2))
    return 1.0 - ndcg(rows, margins)


def log_loss(targets: NDArray[np.float64], probabilities: NDArray[np.float64]) -> float:
    """Compute the mean of ``-log p(what happened)``; probabilities of 0 and 1 are clipped to one in a million."""
    probabilities = np.clip(probabilities, _NEAREST_TO_CERTAIN, 1.0 - _NEAREST_TO_CERTAIN)
    return float(-np.mean(targets * np.log(probabilities) + (1.0 - targets) * np.log1p(-probabilities)))


def ndcg(rows: Rows, margins: NDArray[np.float64]) -> float:
    """Compute the mean normalised discounted cumulative gain of the first 10, over lists with any gain.

    After Järvelin and Kekäläinen (2002), with gains ``2**grade - 1`` as in LambdaMART; 0 if no list has any gain.
    """
    found: list[float] = []
    start = 0
    for size in group_sizes(rows):
        gains = 2.0 ** rows.targets[start : start + size] - 1.0
        best = _discounted(np.sort(gains)[::-1])
        if best > 0.0:
            found.append(_discounted(gains[np.argsort(-margins[start : start + size], kind="stable")]) / best)
        start += size
    return float(np.mean(found)) if found else 0.0


def group_sizes(rows: Rows) -> list[int]:
    """Count the rows of each list, in their order.

    Raises:
        ValueError: The rows have no groups, or a group's rows are not neighbours.
    """
    if rows.groups is None:
        raise ValueError("groups: expected the list of each row; ranking needs it")
    borders = np.flatnonzero(np.diff(rows.groups)) + 1
    sizes = np.diff([0, *borders, len(rows)])
    if len(sizes) != len(np.unique(rows.groups)):
        raise ValueError("groups: expected the rows of a group to be adjacent")
    return [int(size) for size in sizes]


def _discounted(gains: NDArray[np.float64]) -> float:
    top = gains[:_RANKS]
    return float(top @ (1.0 / np.log2(np.arange(2, len(top) + 2))))
