"""The ranking model: LambdaMART over candidates and their features."""

from __future__ import annotations

from collections.abc import Sequence

import lightgbm
import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.pairs import PAIR_FEATURES
from presage_training.errors import DatasetError
from presage_training.ranking.queries import Query

__all__ = [
    "LABEL_GAINS",
    "MIN_QUERIES",
    "OBJECTIVE",
    "TRUNCATION_LEVEL",
    "FitRows",
    "check_groups",
    "feature_importances",
    "fit_ranker",
]

OBJECTIVE = "lambdarank"
LABEL_GAINS = (0.0, 1.0)
"""What an item that was not taken gains, and one that was."""
TRUNCATION_LEVEL = 20
MIN_QUERIES = 20
"""Fewest queries with a candidate that was taken."""

_LATEST_SHARE = 0.15
"""The share of queries, the newest, that say when to stop: a random part of the same days would be too easy."""

_MAX_TREES = 400
_PATIENCE = 50
_PARAMETERS = {
    "objective": OBJECTIVE,
    "metric": "ndcg",
    "eval_at": [10],
    "label_gain": list(LABEL_GAINS),
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 50,
    "lambdarank_truncation_level": TRUNCATION_LEVEL,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "bagging_by_query": True,
    "feature_fraction": 0.7,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbose": -1,
}


class FitRows:
    """Queries to fit, as rows side by side, in the order of time.

    Queries none of whose candidates was taken teach nothing and are left out; LightGBM would count them as perfect. The rows of
    each query are shuffled: LightGBM breaks ties by their order, and candidates come with the best first.

    Args:
        seed: Of the shuffles.
    """

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._features = np.empty((0, len(PAIR_FEATURES)), np.float32)
        self._labels = np.empty(0, np.int32)
        self._queries = np.empty(0, np.int64)
        self._rows = 0
        self.sizes: list[int] = []
        self.left_out = 0
        """Queries without a candidate that was taken."""

    def add(self, query: Query) -> None:
        """Append a query's candidates, without those that the visitor is looking at."""
        wanted = np.flatnonzero(~query.is_current)
        taken = np.isin(query.items[wanted], query.targets)
        if not taken.any():
            self.left_out += 1
            return
        order = self._random.permutation(len(wanted))
        end = self._rows + len(wanted)
        self._grow(end)
        self._features[self._rows : end] = query.features[wanted[order]]
        self._labels[self._rows : end] = taken[order]
        self._queries[self._rows : end] = len(self.sizes)
        self._rows = end
        self.sizes.append(len(wanted))

    def part(self, first: int, last: int) -> tuple[NDArray[np.float32], NDArray[np.int32], list[int]]:
        """Return features, labels and group sizes of some queries.

        Raises:
            RuntimeError: The rows of a query are not side by side. LightGBM would not notice.
        """
        starts = np.append(0, np.cumsum(self.sizes))
        rows = slice(int(starts[first]), int(starts[last]))
        sizes = self.sizes[first:last]
        check_groups(self._queries[rows], sizes)
        return self._features[rows], self._labels[rows], sizes

    def _grow(self, rows: int) -> None:
        if rows > len(self._labels):
            more = max(rows, len(self._labels) * 3 // 2) - len(self._labels)
            self._features = np.concatenate([self._features, np.empty((more, self._features.shape[1]), np.float32)])
            self._labels = np.concatenate([self._labels, np.empty(more, np.int32)])
            self._queries = np.concatenate([self._queries, np.empty(more, np.int64)])


def check_groups(queries: NDArray[np.int64], sizes: Sequence[int]) -> None:
    """Check that each group has the rows of one query, and no two groups those of the same.

    Args:
        queries: The query of each row.
        sizes: Of the groups.

    Raises:
        RuntimeError: A group mixes queries: rows were moved after they were grouped.
    """
    starts = np.append(0, np.cumsum(sizes)).astype(np.int64)
    if starts[-1] != len(queries):
        raise RuntimeError(f"groups: expected {len(queries)} rows in all, got {starts[-1]}")
    firsts = queries[starts[:-1]]
    if len(np.unique(firsts)) != len(firsts) or (np.repeat(firsts, sizes) != queries).any():
        raise RuntimeError("groups: expected the rows of one query in each; they were moved after they were grouped")


def fit_ranker(rows: FitRows, *, seed: int) -> lightgbm.Booster:
    """Fit LambdaMART to queries in the order of time.

    The newest of them say how many trees there should be; then all are fitted, since the newest are the most like what comes next.

    Raises:
        DatasetError: There are too few queries, or never two candidates.
    """
    count = len(rows.sizes)
    if count < MIN_QUERIES:
        raise DatasetError(
            f"queries: expected at least {MIN_QUERIES} with a candidate that was taken, got {count} "
            f"of {count + rows.left_out}; what visitors take next is hardly ever known before: give a longer log"
        )
    if max(rows.sizes) < 2:
        raise DatasetError(
            "items: expected at least two to choose from, got one candidate for each query; "
            "check the mapping of item ids: all items of the log seem to be the same"
        )
    first = count - max(1, int(count * _LATEST_SHARE))
    parameters = {**_PARAMETERS, "seed": seed}
    held_out = lightgbm.train(
        parameters,
        _dataset(rows, 0, first),
        _MAX_TREES,
        valid_sets=[_dataset(rows, first, count)],
        callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
    )
    return lightgbm.train(parameters, _dataset(rows, 0, count), held_out.best_iteration)


def feature_importances(booster: lightgbm.Booster) -> dict[str, float]:
    """Return the share of each feature in the gain of a model's splits, the highest first."""
    gains = dict(zip(booster.feature_name(), booster.feature_importance("gain").tolist(), strict=True))
    total = sum(gains.values()) or 1.0
    return {name: gains[name] / total for name in sorted(gains, key=lambda name: (-gains[name], name))}


def _dataset(rows: FitRows, first: int, last: int) -> lightgbm.Dataset:
    features, labels, sizes = rows.part(first, last)
    return lightgbm.Dataset(
        features,
        labels,
        group=np.array(sizes),
        feature_name=list(PAIR_FEATURES),
        free_raw_data=False,
    )
