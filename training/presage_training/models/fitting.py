"""``fit``: any kind of model, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, get_args

import numpy as np

from presage_export.additive import AdditiveModel
from presage_training.errors import DatasetError
from presage_training.models.baselines import fit_mean, fit_prevalence, fit_rfm_rule, fit_single_feature
from presage_training.models.calibrating import CalibrationKind, fit_calibration
from presage_training.models.ensembles import BLEND_MEMBERS, STACK_MEMBERS, fit_blend, fit_stack
from presage_training.models.fitted import FittedModel
from presage_training.models.learners import LEARNERS
from presage_training.models.losses import Task
from presage_training.models.rows import Rows
from presage_training.models.search import search

__all__ = ["BASELINES", "KINDS", "FitOptions", "fit"]

_ENSEMBLES: Final = {"stacking": (STACK_MEMBERS, fit_stack), "blending": (BLEND_MEMBERS, fit_blend)}

BASELINES: Final[Mapping[str, Task]] = {
    "prevalence": "classification",
    "single-feature": "classification",
    "rfm-rule": "classification",
    "mean": "regression",
}
"""The kinds that others are compared with."""

KINDS: Final[Mapping[str, Task]] = {
    **{kind: learner.task for kind, learner in LEARNERS.items()},
    **dict.fromkeys(_ENSEMBLES, "classification"),
    **BASELINES,
}
"""Every kind, and its task."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FitOptions:
    calibration: CalibrationKind = "sigmoid"
    """How probabilities are calibrated: ``sigmoid``, ``isotonic`` for 1,000 tune rows and more, or ``none``."""
    folds: int = 3
    """The number of time-ordered folds of the search, at least 1."""
    feature: str = "frequency"
    """The feature of the kind ``single-feature``."""
    threads: int = 1
    """The number of threads of a library; the model does not depend on it."""

    def __post_init__(self) -> None:
        """Validate.

        Raises:
            ValueError: A field is out of bounds; the message names it.
        """
        if self.calibration not in get_args(CalibrationKind):
            raise ValueError(f"calibration: expected one of {get_args(CalibrationKind)}, got {self.calibration!r}")
        for name in ("folds", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")


def fit(
    kind: str,
    train: Rows,
    tune: Rows,
    *,
    seed: int,
    options: FitOptions = FitOptions(),
    members: Sequence[FittedModel] = (),
) -> FittedModel:
    """Fit a model.

    Parameters are searched by time-ordered validation inside ``train``; the chosen ones are then trained on all of it. ``tune``
    is only for calibration. The same arguments give the same model.

    Args:
        kind: One of ``KINDS``.
        train: The rows to train on.
        tune: Later rows, of other sessions or visitors, to calibrate on; unused where nothing is calibrated.
        seed: The seed of the learner.
        options: How to fit.
        members: Models fitted on the same ``train`` with the same options, for a stack or a blend to use instead of its own.

    Raises:
        DatasetError: A part has no rows, or only positive or negative ones.
        ValueError: The kind is unknown, or the rows lack a feature or groups that it needs.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {list(KINDS)}, got {kind!r}")
    task = KINDS[kind]
    _require_enough(task, train, tune)
    if kind in LEARNERS:
        fitted = _fit_learner(kind, train, seed, options)
    elif kind in _ENSEMBLES:
        fitted = _fit_ensemble(kind, train, tune, seed=seed, options=options, members=members)
    else:
        fitted = _fit_baseline(kind, train, options)
    # A constant needs no calibration.
    if task != "classification" or kind == "prevalence":
        return fitted
    return _calibrated(fitted, tune, options)


def _require_enough(task: Task, train: Rows, tune: Rows) -> None:
    for name, part in {"train": train, "tune": tune}.items():
        if not len(part):
            raise DatasetError(f"the {name} part has no rows: use a longer log")
        if task != "classification":
            continue
        positives = int(part.targets.sum())
        if not np.isin(part.targets, (0.0, 1.0)).all():
            raise ValueError(f"targets: expected 0 or 1 in the {name} part, got {np.unique(part.targets)[:5]}")
        if positives in {0, len(part)}:
            raise DatasetError(
                f"the {name} part has {len(part)} rows, {positives} of them positive; expected both kinds: use a longer log"
            )


def _fit_learner(kind: str, train: Rows, seed: int, options: FitOptions) -> FittedModel:
    learner = LEARNERS[kind]
    found = search(learner, train, folds=options.folds, seed=seed, threads=options.threads)
    return FittedModel(
        kind=kind,
        task=learner.task,
        trained=learner.train(train, None, found.best.parameters, seed, options.threads),
        link=learner.link,
        calibration=None,
        parameters=found.best.parameters,
        candidates=found.candidates,
        validated=found.validated,
        validated_margins=found.margins,
    )


def _fit_ensemble(
    kind: str, train: Rows, tune: Rows, *, seed: int, options: FitOptions, members: Sequence[FittedModel]
) -> FittedModel:
    names, combine = _ENSEMBLES[kind]
    given = {member.kind: member for member in members}
    chosen = [given.get(name) or fit(name, train, tune, seed=seed, options=options) for name in names]
    trained = combine(chosen, train)
    return FittedModel(
        kind=kind,
        task="classification",
        trained=trained,
        link=trained.link,
        calibration=None,
        parameters={**dict(zip(names, trained.weights, strict=True)), "intercept": trained.intercept},
        candidates=(),
        validated=chosen[0].validated,
        validated_margins=sum(
            (weight * member.validated_margins for weight, member in zip(trained.weights, chosen, strict=True)),
            start=np.full(len(chosen[0].validated), trained.intercept),
        ),
    )


def _fit_baseline(kind: str, train: Rows, options: FitOptions) -> FittedModel:
    fitters: dict[str, Callable[[Rows], AdditiveModel]] = {
        "prevalence": fit_prevalence,
        "single-feature": lambda rows: fit_single_feature(rows, options.feature),
        "rfm-rule": fit_rfm_rule,
        "mean": fit_mean,
    }
    trained = fitters[kind](train)
    return FittedModel(
        kind=kind,
        task=BASELINES[kind],
        trained=trained,
        link=trained.link,
        calibration=None,
        parameters={"feature": options.feature} if kind == "single-feature" else {},
        candidates=(),
        validated=np.empty(0, dtype=np.intp),
        validated_margins=np.empty(0),
    )


def _calibrated(fitted: FittedModel, tune: Rows, options: FitOptions) -> FittedModel:
    margins = fitted.margins(tune.features)
    calibration = fit_calibration(options.calibration, fitted.link, margins, tune.targets)
    return replace(fitted, calibration=calibration)
