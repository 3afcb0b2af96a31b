"""A trained model of any kind: what was read from it, and how its own library runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from presage_export.additive import AdditiveModel, weighted_sum
from presage_export.bundle.link import Link
from presage_export.errors import UnsupportedModelError

__all__ = ["SourceModel", "WeightedSum", "read_source_model", "source_margins"]

_Margins = Callable[[NDArray[np.float32]], NDArray[np.float64]]
_LeafIds = Callable[[NDArray[np.float32]], NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightedSum:
    """A stack or a blend: ``margin = intercept + Σ weight · margin`` of trained models."""

    members: tuple[Any, ...]
    """Models that ``read_source_model`` accepts, at least one, all of the same features."""
    weights: tuple[float, ...]
    """One per member."""
    intercept: float
    """The constant part of every margin."""
    link: Link
    """How the sum becomes a prediction."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceModel:
    """A trained model, with which its export is compared."""

    model: AdditiveModel
    """What was read from it, and is exported."""
    libraries: frozenset[str]
    """The distributions that trained it."""
    margins: _Margins
    """float32 ``[N, F]`` to float64 ``[N]``, by the training library's own code."""
    leaf_ids: _LeafIds
    """float32 ``[N, F]`` to int64 ``[N, trees]``, by the training library's own code."""
    takes_missing: bool
    """Whether it accepts NaN."""
    takes_infinite: bool
    """Whether it accepts infinities."""


def read_source_model(trained: Any) -> SourceModel:
    """Read a trained model.

    Args:
        trained: A LightGBM Booster; a fitted estimator of XGBoost's scikit-learn interface; one of those of scikit-learn that
            ``read_sklearn`` names; a ``WeightedSum`` of these; or an ``AdditiveModel``.

    Raises:
        UnsupportedModelError: ONNX would get the model wrong; the error names the parameter.
    """
    if isinstance(trained, AdditiveModel):
        return SourceModel(
            model=trained,
            libraries=frozenset(),
            margins=trained.margins,
            leaf_ids=trained.leaf_ids,
            # A linear part multiplies them by coefficients that may be 0.
            takes_missing=trained.has_only_trees,
            takes_infinite=trained.has_only_trees,
        )
    if isinstance(trained, WeightedSum):
        return _weighted_sum(trained)
    libraries = _libraries(trained)
    if "lightgbm" in libraries:
        return _lightgbm(trained)
    if "xgboost" in libraries:
        return _xgboost(trained)
    if "sklearn" in libraries:
        return _sklearn(trained)
    raise UnsupportedModelError(
        "estimator",
        type(trained).__name__,
        why="it is of no known library",
        instead="Train with LightGBM, XGBoost or scikit-learn",
    )


def source_margins(trained: Any, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute margins by the training library's own code.

    The margin is the input of the link: the log-odds of boosting and logistic regression, the probability of a forest
    of classifiers, the prediction of a regressor.

    Args:
        trained: As for ``read_source_model``, exportable or not.
        rows: float32 ``[N, F]``.

    Returns:
        float64 ``[N]``.
    """
    if isinstance(trained, AdditiveModel):
        return trained.margins(rows)
    if isinstance(trained, WeightedSum):
        parts = (
            weight * source_margins(member, rows)
            for member, weight in zip(trained.members, trained.weights, strict=True)
        )
        return sum(parts, start=np.full(len(rows), trained.intercept))
    libraries = _libraries(trained)
    if "lightgbm" in libraries:
        booster = getattr(trained, "booster_", trained)
        return np.asarray(booster.predict(rows, raw_score=True, num_threads=1), dtype=np.float64)
    if "xgboost" in libraries:
        return np.asarray(trained.predict(rows, output_margin=True), dtype=np.float64)
    return _sklearn_margins(trained, rows)


def _sklearn_margins(trained: Any, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    # Widened to double, because a linear model would otherwise sum in float32.
    wide = rows.astype(np.float64)
    if hasattr(trained, "decision_function"):
        return np.asarray(trained.decision_function(wide))
    if hasattr(trained, "predict_proba"):
        return np.asarray(trained.predict_proba(wide)[:, 1])
    return np.asarray(trained.predict(wide))


def _libraries(trained: Any) -> set[str]:
    # By name, so that only the library that trained the model is imported.
    return {base.__module__.partition(".")[0] for base in type(trained).__mro__}


def _weighted_sum(trained: WeightedSum) -> SourceModel:
    sources = [read_source_model(member) for member in trained.members]
    return SourceModel(
        model=weighted_sum(
            [source.model for source in sources], trained.weights, intercept=trained.intercept, link=trained.link
        ),
        libraries=frozenset().union(*(source.libraries for source in sources)),
        margins=partial(source_margins, trained),
        leaf_ids=lambda rows: np.concatenate([source.leaf_ids(rows) for source in sources], axis=1),
        takes_missing=all(source.takes_missing for source in sources),
        takes_infinite=all(source.takes_infinite for source in sources),
    )


def _lightgbm(trained: Any) -> SourceModel:
    from presage_export.reading.lightgbm import read_lightgbm  # noqa: PLC0415 - needs LightGBM

    booster = getattr(trained, "booster_", trained)
    model = read_lightgbm(booster)
    return SourceModel(
        model=model,
        libraries=frozenset({"lightgbm"}),
        margins=partial(source_margins, booster),
        leaf_ids=lambda rows: _matrix(booster.predict(rows, pred_leaf=True, num_threads=1), rows),
        takes_missing=True,
        takes_infinite=True,
    )


def _xgboost(trained: Any) -> SourceModel:
    from presage_export.reading.xgboost import read_xgboost  # noqa: PLC0415 - needs XGBoost

    if not hasattr(trained, "get_booster"):
        raise UnsupportedModelError(
            "estimator",
            type(trained).__name__,
            why="it does not say what it takes for missing, nor at which iteration it stopped",
            instead="Train with XGBClassifier, XGBRegressor or XGBRanker",
        )
    return SourceModel(
        model=read_xgboost(trained),
        libraries=frozenset({"xgboost"}),
        margins=partial(source_margins, trained),
        leaf_ids=lambda rows: _matrix(trained.apply(rows), rows),
        takes_missing=True,
        takes_infinite=False,
    )


def _sklearn(trained: Any) -> SourceModel:
    from presage_export.reading.sklearn import read_sklearn  # noqa: PLC0415 - needs scikit-learn

    model = read_sklearn(trained)

    def leaf_ids(rows: NDArray[np.float32]) -> NDArray[np.int64]:
        return _matrix(trained.apply(rows), rows) if model.trees else np.empty((len(rows), 0), dtype=np.int64)

    return SourceModel(
        model=model,
        libraries=frozenset({"scikit-learn"}),
        margins=partial(source_margins, trained),
        leaf_ids=leaf_ids,
        takes_missing=bool(trained.__sklearn_tags__().input_tags.allow_nan),
        takes_infinite=False,
    )


def _matrix(leaf_ids: Any, rows: NDArray[np.float32]) -> NDArray[np.int64]:
    """Reshape to [N, trees]; some libraries omit an axis, some add one."""
    return np.asarray(leaf_ids, dtype=np.int64).reshape(len(rows), -1)
