"""How much each feature matters to a trained model: shares that add up to 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from presage_export.additive import AdditiveModel
from presage_export.reading.source_model import WeightedSum, read_source_model, source_margins

__all__ = ["name_importances", "read_importances"]

_DECIMALS = 9


def name_importances(
    trained: Any, rows: NDArray[np.float32], features: Sequence[str]
) -> dict[str, float] | msgspec.UnsetType:
    """Return the shares by the features' names, for the manifest; UNSET if the model has none."""
    shares = read_importances(trained, rows)
    if shares is None:
        return msgspec.UNSET
    return {name: round(share, _DECIMALS) for name, share in zip(features, shares.tolist(), strict=True)}


def read_importances(trained: Any, rows: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """Compute each feature's share of a model.

    Of trees, it is the share of the gain of their splits, as the training library counts it: the loss of boosting, the impurity of
    forests. Of a linear model, it is the share of the margin's spread: the coefficient's magnitude times the feature's standard
    deviation on the rows. Of a weighted sum, it is the members' shares, weighted by how far their parts of the margin spread.

    Args:
        trained: As for ``read_source_model``.
        rows: Real rows, float32 ``[N, F]``.

    Returns:
        float64 ``[F]``, 0 to 1, with the sum 1; None if no feature matters, or the model does not say how much: trees that were
        read without their gains.
    """
    if isinstance(trained, WeightedSum):
        weights = _importances_of_sum(trained, rows)
    else:
        weights = _gains(trained, rows.shape[1])
        if weights is None:
            weights = _spreads(trained, rows)
    if weights is None:
        return None
    total = float(weights.sum())
    return weights / total if 0.0 < total < np.inf else None


def _importances_of_sum(trained: WeightedSum, rows: NDArray[np.float32]) -> NDArray[np.float64] | None:
    weights = np.zeros(rows.shape[1])
    for member, weight in zip(trained.members, trained.weights, strict=True):
        spread = abs(weight) * float(np.std(source_margins(member, rows)))
        if not spread:
            continue  # it adds the same to every margin
        shares = read_importances(member, rows)
        if shares is None:
            return None
        weights += spread * shares
    return weights


def _gains(trained: Any, feature_count: int) -> NDArray[np.float64] | None:
    booster = getattr(trained, "booster_", trained)
    if hasattr(booster, "feature_importance"):  # LightGBM; up to the best iteration
        return np.asarray(booster.feature_importance("gain"), dtype=np.float64)
    if hasattr(trained, "get_booster"):
        booster = trained.get_booster()
        if trained.get_params().get("early_stopping_rounds") is not None:
            booster = booster[: trained.best_iteration + 1]
        names = booster.feature_names or [f"f{index}" for index in range(feature_count)]
        gains = booster.get_score(importance_type="total_gain")
        return np.array([gains.get(name, 0.0) for name in names], dtype=np.float64)
    if hasattr(trained, "feature_importances_"):  # scikit-learn's forests and boosting
        return np.asarray(trained.feature_importances_, dtype=np.float64)
    return None


def _spreads(trained: Any, rows: NDArray[np.float32]) -> NDArray[np.float64] | None:
    model = trained if isinstance(trained, AdditiveModel) else read_source_model(trained).model
    if model.trees or not model.coefficients:
        return None
    spreads: NDArray[np.float64] = np.std(rows, axis=0, dtype=np.float64)
    magnitudes: NDArray[np.float64] = np.abs(np.array(model.coefficients))
    return magnitudes * spreads
