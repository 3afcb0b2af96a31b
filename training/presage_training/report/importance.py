"""Feature importance: gain shares and permutation losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import lightgbm
import numpy as np
import xgboost
from numpy.typing import NDArray
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.pipeline import Pipeline

__all__ = ["gain_shares", "permutation_losses", "skill"]

_MOST_ROWS = 3_000
_REPEATS = 3


def gain_shares(trained: Any, names: Sequence[str]) -> dict[str, float] | None:
    """Compute each feature's share of the gain of a tree model's splits, or of a linear model's absolute coefficients.

    Args:
        trained: What a training library made.
        names: The features, in the order of the columns.

    Returns:
        Shares that add up to 1, the largest first; None for another kind of model, or one without splits.
    """
    gains = _gains(trained, len(names))
    if gains is None or not gains.sum() > 0.0:
        return None
    return _sorted(dict(zip(names, (gains / gains.sum()).tolist(), strict=True)))


def permutation_losses(
    score: Callable[[NDArray[np.float32]], NDArray[np.float64]],
    features: NDArray[np.float32],
    labels: NDArray[Any],
    names: Sequence[str],
    *,
    seed: int,
) -> dict[str, float] | None:
    """Compute a model's loss of skill when one feature's values are permuted (Breiman, 2001, "Random forests").

    Correlated features replace each other, so that each loses little: a small loss does not prove that a feature is useless.

    Args:
        score: The model; any scale that ranks alike will do to classify.
        features: Rows that it was not trained on; at most 3,000 of them, drawn at random, are used.
        labels: The labels of the rows.
        names: The features, in the order of the columns.
        seed: The same seed deals the same way.

    Returns:
        Loss of ROC-AUC, or of R2 where labels are amounts, the mean of 3 permutations, the largest first; None if all
            labels are equal.
    """
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(len(labels))[:_MOST_ROWS])
    features, labels = features[chosen], labels[chosen]
    if (labels == labels[0]).all():
        return None
    whole = skill(labels, score(features))
    losses = {}
    for index, name in enumerate(names):
        permuted = np.tile(features, (_REPEATS, 1))
        permuted[:, index] = np.concatenate([random.permutation(features[:, index]) for _ in range(_REPEATS)])
        scores = score(permuted).reshape(_REPEATS, -1)
        losses[name] = whole - float(np.mean([skill(labels, repeat) for repeat in scores]))
    return _sorted(losses)


def skill(labels: NDArray[Any], scores: NDArray[np.float64]) -> float:
    """Compute ROC-AUC, or R2 where labels are amounts."""
    return float(roc_auc_score(labels, scores) if labels.dtype == np.bool_ else r2_score(labels, scores))


def _gains(trained: Any, count: int) -> NDArray[np.float64] | None:
    if isinstance(trained, lightgbm.Booster):
        return np.asarray(trained.feature_importance("gain"), dtype=np.float64)
    if isinstance(trained, xgboost.XGBModel):
        gains = trained.get_booster().get_score(importance_type="total_gain")
        return np.array([gains.get(f"f{index}", 0.0) for index in range(count)], dtype=np.float64)
    if isinstance(trained, Pipeline):
        return np.abs(np.asarray(trained[-1].coef_, dtype=np.float64)).reshape(-1)
    if hasattr(trained, "feature_importances_"):
        return np.asarray(trained.feature_importances_, dtype=np.float64)
    return None


def _sorted(values: dict[str, float]) -> dict[str, float]:
    return dict(sorted(values.items(), key=lambda item: -item[1]))
