"""Models of what an item at a place brings, for doubly robust estimates."""

from __future__ import annotations

from collections.abc import Callable

import lightgbm
import numpy as np
from numpy.typing import NDArray

from presage_training.errors import DatasetError

__all__ = ["FOLDS", "RewardModels"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

FOLDS = 5
"""Parts of the visitors; each part's rewards are predicted by a model of the others."""

_PARAMETERS = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 7,
    "min_data_in_leaf": 50,
    "lambda_l2": 10.0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
_ROUNDS = 60
_MIN_REWARDS = 5
"""Rewarded rounds that a model needs; with fewer, a part's rewards are predicted by the others' mean."""


class RewardModels:
    """Models of the probability of a reward, none of which is asked about visitors that it was fitted on.

    Args:
        features: Shape (rounds, features): what is known of the item, its place and the visitor before it was shown.
        rewards: Shape (rounds,): 0 or 1.
        visitors: Shape (rounds,): the visitor's number.
        seed: Which visitors are in which part.
        categorical: Places of the features that are codes.

    Raises:
        DatasetError: A reward is neither 0 nor 1.
    """

    def __init__(
        self, features: Floats, rewards: Floats, visitors: Numbers, *, seed: int, categorical: tuple[int, ...] = ()
    ) -> None:
        if not np.isin(rewards, (0.0, 1.0)).all():
            raise DatasetError("rewards: expected 0 or 1 for a model of their probability")
        unique, inverse = np.unique(visitors, return_inverse=True)
        self.folds: Numbers = np.random.default_rng(seed).permutation(len(unique))[inverse] % FOLDS
        """The part of each round."""
        self._models: list[Callable[[Floats], Floats]] = []
        for fold in range(FOLDS):
            fit = self.folds != fold
            self._models.append(_fitted(features[fit], rewards[fit], seed, categorical))

    def predict(self, features: Floats, folds: Numbers) -> Floats:
        """Predict rewards.

        Args:
            features: Shape (rows, features).
            folds: Shape (rows,): the part of the visitor of each row.
        """
        predicted = np.zeros(len(features))
        for fold, model in enumerate(self._models):
            of_fold = folds == fold
            if of_fold.any():
                predicted[of_fold] = model(features[of_fold])
        return predicted


def _fitted(features: Floats, rewards: Floats, seed: int, categorical: tuple[int, ...]) -> Callable[[Floats], Floats]:
    found = float(rewards.sum())
    if min(found, len(rewards) - found) < _MIN_REWARDS:
        mean = found / max(1, len(rewards))
        return lambda rows: np.full(len(rows), mean)
    rows = lightgbm.Dataset(features, rewards, categorical_feature=list(categorical), free_raw_data=False)
    booster = lightgbm.train({**_PARAMETERS, "seed": seed}, rows, num_boost_round=_ROUNDS)
    return lambda rows: np.asarray(booster.predict(rows), np.float64)
