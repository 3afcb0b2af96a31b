"""The plan of an experiment: options, kinds of models, and the parts of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from presage_training.datasets.dataset import Dataset, check_labels
from presage_training.datasets.splits import split_by_time
from presage_training.errors import DatasetError
from presage_training.models import KINDS, Rows
from presage_training.models.calibrating import CalibrationKind
from presage_training.report import PartFacts
from presage_training.report.results import facts_of_part

__all__ = ["DEFAULT_KINDS", "ExperimentOptions", "Parts", "choose_kinds", "split_parts", "to_rows"]

DEFAULT_KINDS = (
    "lightgbm-classifier", "xgboost-classifier", "logistic-regression", "random-forest", "gradient-boosting",
    "stacking", "blending",
)  # fmt: skip
"""The default kinds for a target that is true or false."""

_DEFAULT_REGRESSORS = ("lightgbm-regressor", "xgboost-regressor")


@dataclass(frozen=True, kw_only=True, slots=True)
class ExperimentOptions:
    """How to train and measure.

    Raises:
        DatasetError: A share is not between 0 and 1, or there are too few draws.
    """

    seed: int = 7
    """The same log and seed give the same models and figures."""
    train_share: float = 0.75
    """The share of the rows' time before the test part."""
    fit_share: float = 0.85
    """The share of the time before that for training; the rest calibrates, and chooses the threshold."""
    draws: int = 500
    """The number of draws for an interval."""
    calibration: CalibrationKind = "sigmoid"
    """How probabilities are calibrated; ``none`` keeps the model's own link."""
    threads: int = 1
    """The number of threads that a training library may use."""
    feature: str | None = None
    """The feature of the baseline ``single-feature``; None for the one that ranks the training rows best."""

    def __post_init__(self) -> None:
        for name in ("train_share", "fit_share"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise DatasetError(f"{name}: expected a number between 0 and 1, got {getattr(self, name)}")
        if self.draws < 100:
            raise DatasetError(f"draws: expected at least 100 for an interval of 95 %, got {self.draws}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """Rows to train on, later ones to calibrate on, and still later ones to test on."""

    train: Dataset
    tune: Dataset
    test: Dataset

    @property
    def facts(self) -> dict[str, PartFacts]:
        return {name: facts_of_part(getattr(self, name)) for name in ("train", "tune", "test")}


def choose_kinds(target: str, kinds: Sequence[str] = (), *, classifies: bool) -> tuple[str, ...]:
    """Choose the kinds of models for a target.

    Args:
        target: The target's name, for the error.
        kinds: The requested kinds; empty for the default ones.
        classifies: Whether labels are true or false.

    Raises:
        DatasetError: A kind is unknown, or is for the other sort of labels.
    """
    task = "classification" if classifies else "regression"
    possible = [kind for kind, its_task in KINDS.items() if its_task == task]
    wrong = [kind for kind in kinds if kind not in possible]
    if wrong:
        raise DatasetError(f"models: {wrong[0]!r}: expected, for {target}, some of {', '.join(possible)}")
    return tuple(dict.fromkeys(kinds)) or (DEFAULT_KINDS if task == "classification" else _DEFAULT_REGRESSORS)


def split_parts(dataset: Dataset, options: ExperimentOptions) -> Parts:
    """Split by time, so that every label of a part is known before the next part begins.

    Raises:
        DatasetError: A part would be empty, or have labels of one kind only.
    """
    check_labels(dataset)
    known, test = split_by_time(dataset, options.train_share, names=("train and tune", "test"))
    train, tune = split_by_time(known, options.fit_share, names=("train", "tune"))
    return Parts(train=train, tune=tune, test=test)


def to_rows(dataset: Dataset) -> Rows:
    """Convert a dataset to the rows that models are fitted on."""
    return Rows(
        features=dataset.features,
        targets=dataset.labels.astype(np.float64),
        times_unix_micros=dataset.times_unix_micros,
        known_unix_micros=dataset.span_ends_unix_micros,
        feature_names=dataset.feature_set.features,
    )
