"""Single learners: how each is trained, and the search space of its parameters.

No learner weights classes: it would inflate the probability of rare purchases; calibration is a separate step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import lightgbm
import numpy as np
import xgboost
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from presage_export.bundle.link import Link
from presage_training.models.losses import Task, group_sizes
from presage_training.models.rows import Rows

__all__ = ["LEARNERS", "Learner", "Parameters"]

Parameters = Mapping[str, Any]
"""Parameters by the training library's names, and ``rounds``, the number of boosting rounds."""

_MOST_ROUNDS = 600
_PATIENCE = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Learner:
    task: Task
    """The sort of target."""
    link: Link
    """The meaning of its margins."""
    space: tuple[Parameters, ...]
    """The candidates of the search."""
    train: Callable[[Rows, Rows | None, Parameters, int, int], Any]
    """Trains on rows, with optional rows for early stopping, parameters, seed and threads."""
    rounds: Callable[[Any], int] | None = None
    """Returns the number of rounds of a model that stopped early; None for a learner without early stopping."""


def _lightgbm(**fixed: Any) -> Callable[[Rows, Rows | None, Parameters, int, int], lightgbm.Booster]:
    def train(rows: Rows, stopping: Rows | None, parameters: Parameters, seed: int, threads: int) -> lightgbm.Booster:
        parameters = {"learning_rate": 0.05, "lambda_l2": 1.0, **fixed, **parameters}
        rounds = parameters.pop("rounds", _MOST_ROUNDS)
        ranking = parameters["objective"] == "lambdarank"
        train_set = _lightgbm_rows(rows, ranking=ranking)
        return lightgbm.train(
            {
                # The same rows give the same trees, on every run and with any number of threads.
                "deterministic": True,
                "force_row_wise": True,
                "num_threads": threads,
                "seed": seed,
                "verbosity": -1,
                **parameters,
            },
            train_set,
            num_boost_round=rounds,
            valid_sets=[] if stopping is None else [_lightgbm_rows(stopping, ranking=ranking, reference=train_set)],
            callbacks=[] if stopping is None else [lightgbm.early_stopping(_PATIENCE, verbose=False)],
        )

    return train


def _lightgbm_rows(rows: Rows, *, ranking: bool, reference: lightgbm.Dataset | None = None) -> lightgbm.Dataset:
    # Doubles that came from float32: training, LightGBM's own prediction and serving then see the same numbers.
    return lightgbm.Dataset(
        rows.features.astype(np.float64),
        rows.targets.copy(),
        group=group_sizes(rows) if ranking else None,
        reference=reference,
    )


def _xgboost(
    estimator: type[xgboost.XGBModel], **fixed: Any
) -> Callable[[Rows, Rows | None, Parameters, int, int], xgboost.XGBModel]:
    def train(rows: Rows, stopping: Rows | None, parameters: Parameters, seed: int, threads: int) -> xgboost.XGBModel:
        parameters = {"learning_rate": 0.05, "subsample": 0.8, "colsample_bytree": 0.8, **fixed, **parameters}
        model = estimator(
            n_estimators=parameters.pop("rounds", _MOST_ROUNDS),
            early_stopping_rounds=None if stopping is None else _PATIENCE,
            random_state=seed,
            n_jobs=threads,
            tree_method="hist",
            **parameters,
        )
        validation = None if stopping is None else [(stopping.features, stopping.targets)]
        return model.fit(rows.features, rows.targets, eval_set=validation, verbose=False)

    return train


def _logistic_regression(rows: Rows, _stopping: Rows | None, parameters: Parameters, seed: int, _threads: int) -> Any:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2_000, random_state=seed, **parameters))
    return model.fit(rows.features.astype(np.float64), rows.targets)


def _random_forest(rows: Rows, _stopping: Rows | None, parameters: Parameters, seed: int, threads: int) -> Any:
    # A bound on leaves: each is served, and each split is proven.
    model = RandomForestClassifier(200, max_leaf_nodes=128, random_state=seed, n_jobs=threads, **parameters)
    # With several threads, the order of summing trees would vary.
    return model.fit(rows.features, rows.targets).set_params(n_jobs=1)


def _gradient_boosting(rows: Rows, _stopping: Rows | None, parameters: Parameters, seed: int, _threads: int) -> Any:
    model = GradientBoostingClassifier(
        n_estimators=100, learning_rate=0.1, subsample=0.7, min_samples_leaf=30, random_state=seed, **parameters
    )
    return model.fit(rows.features, rows.targets)


# The rows of a session share its label, so a leaf of 50 rows may be a handful of sessions, and a split between them chance. In a
# short log, more features mean more such splits; a least gain rejects them, and keeps rare but certain ones, such as a checkout.
_LIGHTGBM_SPACE: Final = (
    {"num_leaves": 7, "min_data_in_leaf": 50},
    {"num_leaves": 7, "min_data_in_leaf": 100, "feature_fraction": 0.5, "min_gain_to_split": 5.0},
    {"num_leaves": 15, "min_data_in_leaf": 50, "feature_fraction": 0.5, "min_gain_to_split": 10.0},
    {"num_leaves": 15, "min_data_in_leaf": 100, "feature_fraction": 0.6},
    {"num_leaves": 31, "min_data_in_leaf": 100},
    {"num_leaves": 7, "min_data_in_leaf": 50, "learning_rate": 0.03},
)
_XGBOOST_SPACE: Final = (
    {"max_depth": 2, "min_child_weight": 5.0},
    {"max_depth": 3, "min_child_weight": 10.0},
    {"max_depth": 5, "min_child_weight": 20.0},
)

LEARNERS: Final[Mapping[str, Learner]] = {
    "lightgbm-classifier": Learner(
        task="classification",
        link="logit",
        space=_LIGHTGBM_SPACE,
        train=_lightgbm(objective="binary"),
        rounds=lambda booster: int(booster.best_iteration),
    ),
    "lightgbm-regressor": Learner(
        task="regression",
        link="identity",
        space=_LIGHTGBM_SPACE,
        train=_lightgbm(objective="regression"),
        rounds=lambda booster: int(booster.best_iteration),
    ),
    "lightgbm-ranker": Learner(
        task="ranking",
        link="identity",
        space=_LIGHTGBM_SPACE[:2],
        train=_lightgbm(objective="lambdarank", eval_at=[10]),
        rounds=lambda booster: int(booster.best_iteration),
    ),
    "xgboost-classifier": Learner(
        task="classification",
        link="logit",
        space=_XGBOOST_SPACE,
        train=_xgboost(xgboost.XGBClassifier, eval_metric="logloss"),
        rounds=lambda model: int(model.best_iteration) + 1,
    ),
    "xgboost-regressor": Learner(
        task="regression",
        link="identity",
        space=_XGBOOST_SPACE,
        train=_xgboost(xgboost.XGBRegressor),
        rounds=lambda model: int(model.best_iteration) + 1,
    ),
    "logistic-regression": Learner(
        task="classification",
        link="logit",
        space=({"C": 0.01}, {"C": 0.1}, {"C": 1.0}),
        train=_logistic_regression,
    ),
    "random-forest": Learner(
        task="classification",
        link="probability",
        space=({"min_samples_leaf": 10}, {"min_samples_leaf": 30}, {"min_samples_leaf": 100}),
        train=_random_forest,
    ),
    "gradient-boosting": Learner(
        task="classification",
        link="logit",
        space=({"max_depth": 2}, {"max_depth": 3}),
        train=_gradient_boosting,
    ),
}
