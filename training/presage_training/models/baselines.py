"""Baselines: simple models that others are compared with. They can be served like any other."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from presage_export.additive import AdditiveModel, Leaf, Split, Tree, floor_to_float32, weighted_sum
from presage_training.models.rows import Rows

__all__ = ["fit_mean", "fit_prevalence", "fit_rfm_rule", "fit_single_feature"]

_PARTS: Final = 5
_RULE_STEP: Final = 2.0**-30
"""Whole points times such a weight add up exactly, in any order: equal points get equal scores, on any machine."""
_RFM: Final = (("recency_days", -1), ("frequency", 1), ("monetary_value", 1))


def fit_prevalence(rows: Rows) -> AdditiveModel:
    """Predict the prevalence for every row; there are positive and negative rows."""
    prevalence = float(rows.targets.mean())
    return AdditiveModel(
        feature_count=rows.features.shape[1], link="logit", intercept=math.log(prevalence / (1.0 - prevalence))
    )


def fit_mean(rows: Rows) -> AdditiveModel:
    """Predict the mean target for every row."""
    return AdditiveModel(feature_count=rows.features.shape[1], link="identity", intercept=float(rows.targets.mean()))


def fit_single_feature(rows: Rows, feature: str) -> AdditiveModel:
    """Rank by one feature: logistic regression on it alone.

    Raises:
        ValueError: There is no such feature.
    """
    index = rows.column(feature)
    column = np.zeros(rows.features.shape[1])
    column[index] = 1.0
    model = AdditiveModel(feature_count=len(column), link="identity", coefficients=tuple(column.tolist()))
    return _as_log_odds(model, rows)


def fit_rfm_rule(rows: Rows) -> AdditiveModel:
    """Rank by points for recency, frequency and monetary value: 1 to 5 each, by fifths of the rows, added up.

    The marketer's rule (Hughes, 1994, "Strategic database marketing"), its sum of points turned into log-odds.

    Raises:
        ValueError: One of ``recency_days``, ``frequency`` and ``monetary_value`` is not among the features.
    """
    trees = tuple(_points(rows, rows.column(name), direction) for name, direction in _RFM)
    points = AdditiveModel(feature_count=rows.features.shape[1], link="identity", trees=trees)
    return _as_log_odds(points, rows, step=_RULE_STEP)


def _points(rows: Rows, column: int, direction: int) -> Tree:
    """Make a tree of one feature whose leaves are 1 to 5, or fewer where many rows have the same value."""
    shares = np.arange(1, _PARTS) / _PARTS
    cuts = sorted({floor_to_float32(float(cut)) for cut in np.quantile(rows.features[:, column], shares)})
    nodes: list[Split | Leaf] = []
    for index, cut in enumerate(cuts):
        leaf, onward = 2 * index + 1, 2 * index + 2
        nodes += [Split(column, cut, nan_goes_left=True, left=leaf, right=onward), Leaf(_part(index, direction), leaf)]
    return (*nodes, Leaf(_part(len(cuts), direction), 2 * len(cuts)))


def _part(index: int, direction: int) -> float:
    return float(index + 1 if direction > 0 else _PARTS - index)


def _as_log_odds(model: AdditiveModel, rows: Rows, *, step: float = 0.0) -> AdditiveModel:
    """Scale a model's margins to log-odds fitted on the rows; with ``step``, weight and intercept are multiples of it."""
    margins: NDArray[np.float64] = model.margins(rows.features)
    centre, scale = float(margins.mean()), float(margins.std()) or 1.0
    line = LogisticRegression(max_iter=1_000).fit((margins[:, None] - centre) / scale, rows.targets)
    slope = float(line.coef_[0, 0]) / scale
    intercept = float(line.intercept_[0]) - slope * centre
    if step:
        slope, intercept = round(slope / step) * step, round(intercept / step) * step
    return weighted_sum([model], [slope], intercept=intercept, link="logit")
