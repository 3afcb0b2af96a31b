"""The ranking model: LambdaMART over candidates and their features."""

from __future__ import annotations

from collections.abc import Sequence

import lightgbm
import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.pairs import PAIR_FEATURES
from presage_training.errors import DatasetError
from presage_training.ranking.queries import Query

__all__ = ["fit_ranker"]

_LATEST_SHARE = 0.15
"""The share of queries, the newest, that say when to stop: a random part of the same days would be too easy."""

_MAX_TREES = 400
_PATIENCE = 50
_PARAMETERS = {
    "objective": "lambdarank",
    "metric": "ndcg",
    "eval_at": [10],
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 50,
    "lambdarank_truncation_level": 20,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "bagging_by_query": True,
    "feature_fraction": 0.7,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbose": -1,
}
_MIN_QUERIES = 20


def fit_ranker(queries: Sequence[Query], *, seed: int) -> lightgbm.Booster:
    """Fit LambdaMART to queries in the order of time.

    Queries none of whose candidates was taken teach nothing and are left out. The rows of each query are shuffled: LightGBM breaks
    ties by their order, and candidates come with the best first.

    Raises:
        DatasetError: There are too few queries.
    """
    random = np.random.default_rng(seed)
    rows, labels, sizes = [], [], []
    for query in queries:
        taken = np.isin(query.rows, query.targets)
        if taken.any():
            order = random.permutation(len(taken))
            rows.append(query.features[order])
            labels.append(taken[order])
            sizes.append(len(order))
    if len(sizes) < _MIN_QUERIES:
        raise DatasetError(
            f"queries: expected at least {_MIN_QUERIES} with a candidate that was taken, got {len(sizes)}"
        )
    first = len(sizes) - max(1, int(len(sizes) * _LATEST_SHARE))
    fit, stop = (
        _dataset(rows[:first], labels[:first], sizes[:first]),
        _dataset(rows[first:], labels[first:], sizes[first:]),
    )
    return lightgbm.train(
        {**_PARAMETERS, "seed": seed},
        fit,
        _MAX_TREES,
        valid_sets=[stop],
        callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
    )


def _dataset(
    rows: Sequence[NDArray[np.float32]], labels: Sequence[NDArray[np.bool_]], sizes: Sequence[int]
) -> lightgbm.Dataset:
    return lightgbm.Dataset(
        np.concatenate(rows),
        np.concatenate(labels).astype(np.int32),
        group=np.array(sizes),
        feature_name=list(PAIR_FEATURES),
        free_raw_data=False,
    )
