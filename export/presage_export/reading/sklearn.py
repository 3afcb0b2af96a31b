"""Read scikit-learn's models as sums, or reject those that ONNX would evaluate differently.

Its trees convert rows to float32 and compare them with double thresholds; its linear models use double precision throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from presage_export.additive import AdditiveModel, Leaf, Split, Tree, floor_to_float32
from presage_export.errors import UnsupportedModelError

__all__ = ["read_sklearn"]

_FOREST_CLASSIFIERS = (RandomForestClassifier, ExtraTreesClassifier)
_FORESTS = (*_FOREST_CLASSIFIERS, RandomForestRegressor, ExtraTreesRegressor)
_BOOSTED = (GradientBoostingClassifier, GradientBoostingRegressor)
_LINEAR = (LogisticRegression, LinearRegression, Ridge)


def read_sklearn(estimator: Any) -> AdditiveModel:
    """Read a fitted estimator.

    Supported are logistic and linear regression, alone or after a StandardScaler; random forests and extra trees, whose margin is
    the probability of the second class; and gradient boosting.

    Raises:
        UnsupportedModelError: It is another estimator, or has a property that ONNX would get wrong; the error names the parameter.
    """
    scaler, estimator = _unpack(estimator)
    if isinstance(estimator, CalibratedClassifierCV):
        raise UnsupportedModelError(
            "method",
            estimator.method,
            why="in float32, the steps of a calibration fall on the wrong side of margins beside them",
            instead="Export the estimator itself, and calibrate outside the graph with calibration=",
        )
    if isinstance(estimator, HistGradientBoostingClassifier | HistGradientBoostingRegressor):
        raise UnsupportedModelError(
            "estimator",
            type(estimator).__name__,
            why="its trees are not part of its public interface",
            instead="Train LightGBM, whose algorithm it follows",
        )
    if not isinstance(estimator, (*_LINEAR, *_FORESTS, *_BOOSTED)):
        raise UnsupportedModelError(
            "estimator",
            type(estimator).__name__,
            why="nothing here knows how it decides",
            instead=f"Train one of {', '.join(known.__name__ for known in (*_LINEAR, *_FORESTS, *_BOOSTED))}",
        )
    _require_one_output(estimator)
    if isinstance(estimator, _LINEAR):
        return _read_linear(scaler, estimator)
    if scaler is not None:
        raise UnsupportedModelError(
            "steps",
            "StandardScaler",
            why="trees would decide on scaled values, and the graph has the features as they are",
            instead="Train trees without a scaler; they need none",
        )
    return _read_forest(estimator) if isinstance(estimator, _FORESTS) else _read_boosted(estimator)


def _unpack(estimator: Any) -> tuple[StandardScaler | None, Any]:
    if not isinstance(estimator, Pipeline):
        return None, estimator
    *before, last = (step for _, step in estimator.steps if step not in {None, "passthrough"})
    if not before:
        return None, last
    if len(before) == 1 and isinstance(before[0], StandardScaler):
        return before[0], last
    raise UnsupportedModelError(
        "steps",
        [type(step).__name__ for step in before],
        why="only a StandardScaler can be folded into a model",
        instead="Make other steps features of their own",
    )


def _require_one_output(estimator: Any) -> None:
    classes = getattr(estimator, "classes_", None)
    outputs = getattr(estimator, "n_outputs_", 1)
    if outputs != 1 or (classes is not None and len(classes) != 2):
        raise UnsupportedModelError(
            "classes_" if outputs == 1 else "n_outputs_",
            None if classes is None else list(classes),
            why="a margin is one number, for two classes",
            instead="Train on one target with two classes",
        )


def _read_linear(scaler: StandardScaler | None, estimator: Any) -> AdditiveModel:
    coefficients = np.asarray(estimator.coef_, dtype=np.float64).reshape(-1)
    intercept = float(np.asarray(estimator.intercept_, dtype=np.float64).reshape(-1)[0])
    if len(coefficients) != estimator.n_features_in_:
        raise UnsupportedModelError(
            "coef_", np.shape(estimator.coef_), why="a margin is one number", instead="Train on one target"
        )
    if scaler is not None:
        if scaler.scale_ is not None:
            coefficients = coefficients / scaler.scale_
        if scaler.with_mean:
            intercept -= float(coefficients @ scaler.mean_)
    return AdditiveModel(
        feature_count=len(coefficients),
        link="logit" if isinstance(estimator, LogisticRegression) else "identity",
        coefficients=tuple(coefficients.tolist()),
        intercept=intercept,
    )


def _read_forest(estimator: Any) -> AdditiveModel:
    classifier = isinstance(estimator, _FOREST_CLASSIFIERS)
    # A classifier's leaves contain the share of each class, and the forest averages its trees.
    weight = 1.0 / len(estimator.estimators_)
    return AdditiveModel(
        feature_count=estimator.n_features_in_,
        link="probability" if classifier else "identity",
        trees=tuple(_read_tree(tree.tree_, weight=weight, column=int(classifier)) for tree in estimator.estimators_),
        cover_weighting="weighted_rows",
    )


def _read_boosted(estimator: Any) -> AdditiveModel:
    if estimator.init not in {None, "zero"}:
        raise UnsupportedModelError(
            "init", estimator.init, why="boosting would start from another model's prediction", instead="Use init=None"
        )
    if estimator.loss == "exponential":
        raise UnsupportedModelError(
            "loss", "exponential", why="its margin is half a log-odds", instead="Train with loss='log_loss'"
        )
    classifier = isinstance(estimator, GradientBoostingClassifier)
    trees = tuple(
        _read_tree(tree.tree_, weight=estimator.learning_rate, column=0) for tree in estimator.estimators_.reshape(-1)
    )
    without_intercept = AdditiveModel(
        feature_count=estimator.n_features_in_, link="logit" if classifier else "identity", trees=trees
    )
    # The initial prediction is the same for every row: one margin minus its leaves.
    zeros = np.zeros((1, estimator.n_features_in_), dtype=np.float32)
    (margin,) = estimator.decision_function(zeros) if classifier else estimator.predict(zeros)
    return AdditiveModel(
        feature_count=without_intercept.feature_count,
        link=without_intercept.link,
        trees=trees,
        intercept=float(margin) - float(without_intercept.margins(zeros)[0]),
        cover_weighting="weighted_rows",
    )


def _read_tree(tree: Any, *, weight: float, column: int) -> Tree:
    missing_go_left: Sequence[int] = tree.missing_go_to_left
    return tuple(
        Leaf(weight * float(tree.value[node_id, 0, column]), node_id, float(tree.weighted_n_node_samples[node_id]))
        if tree.children_left[node_id] == -1
        else Split(
            feature=int(tree.feature[node_id]),
            threshold=floor_to_float32(float(tree.threshold[node_id])),
            nan_goes_left=bool(missing_go_left[node_id]),
            left=int(tree.children_left[node_id]),
            right=int(tree.children_right[node_id]),
            cover=float(tree.weighted_n_node_samples[node_id]),
        )
        for node_id in range(tree.node_count)
    )
