"""How good ranked lists are, over all queries, with intervals from a bootstrap over visitors.

A query whose answer was not found counts as 0; leaving such queries out would reward poor retrieval. Lists have no ties: whoever
makes them breaks ties by a key that says nothing of the item (``ir-measures`` and others disagree on ties).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from presage_training.report.metrics import MetricDraws

__all__ = ["DEPTH", "RANKING_METRICS", "SHORT", "RankingDraws", "list_metrics"]

Floats = NDArray[np.float64]

RANKING_METRICS = ("ndcg_at_10", "precision_at_10", "recall_at_10", "hit_rate_at_10", "hit_rate_at_20", "mrr_at_20")
"""``ndcg`` with a gain of 1 for each item taken; ``mrr`` is 1 / the place of the first of them."""

DEPTH = 20
"""Places of a list that count."""

SHORT = 10
"""Places of a list that most metrics look at."""

_DISCOUNTS = 1.0 / np.log2(np.arange(2, SHORT + 2))


def list_metrics(hits: NDArray[np.bool_], count: int) -> Floats:
    """Measure one list: an array of the RANKING_METRICS.

    Args:
        hits: Whether each item of the list was taken, best first; only the first DEPTH count. A list may be shorter.
        count: How many items were taken, at least 1, also those that no list can have since they are new.
    """
    found = np.flatnonzero(hits[:DEPTH])
    short = hits[:SHORT]
    gain = float((_DISCOUNTS[: len(short)] * short).sum()) / float(_DISCOUNTS[:count].sum())
    return np.array(
        [
            gain,
            short.sum() / SHORT,
            short.sum() / count,
            float(short.any()),
            float(len(found) > 0),
            1.0 / (found[0] + 1) if len(found) else 0.0,
        ]
    )


class RankingDraws:
    """Draws of visitors with replacement: rankers that are measured on the same draws can be compared in pairs.

    Args:
        visitors: The visitor's number of each query.
        seed: The same seed draws the same visitors.
        draws: How many.
    """

    def __init__(self, visitors: NDArray[np.int64], *, seed: int, draws: int) -> None:
        _, self._of = np.unique(visitors, return_inverse=True)
        count = int(self._of.max()) + 1
        random = np.random.default_rng(seed)
        drawn = [np.bincount(random.integers(count, size=count), minlength=count) for _ in range(draws)]
        self._weights = np.stack([np.ones(count), *drawn])
        self._queries = np.bincount(self._of, minlength=count)

    def measure(self, values: Floats, names: tuple[str, ...] = RANKING_METRICS) -> MetricDraws:
        """Average metrics over the queries of each draw.

        Args:
            values: Shape (queries, len(names)).
            names: What they are.
        """
        sums = np.stack([np.bincount(self._of, column, self._weights.shape[1]) for column in values.T], axis=1)
        means = (self._weights @ sums) / (self._weights @ self._queries)[:, None]
        return MetricDraws(dict(zip(names, means.T, strict=True)))
