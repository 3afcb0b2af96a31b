"""The baselines that models are measured against: which of them a dataset allows, and the feature of ``single-feature``."""

from __future__ import annotations

import numpy as np

from presage_training.datasets.dataset import Dataset
from presage_training.models import BASELINES
from presage_training.report.importance import skill

__all__ = ["baseline_kinds", "best_feature"]

_RFM = frozenset({"recency_days", "frequency", "monetary_value"})


def baseline_kinds(dataset: Dataset) -> tuple[str, ...]:
    """Return the baselines for a dataset's labels and features."""
    task = "classification" if dataset.labels.dtype == np.bool_ else "regression"
    has_rfm = set(dataset.feature_set.features) >= _RFM
    return tuple(kind for kind, its_task in BASELINES.items() if its_task == task and (kind != "rfm-rule" or has_rfm))


def best_feature(dataset: Dataset) -> str:
    """Find the feature that alone ranks the rows best, in either direction."""
    names = dataset.feature_set.features
    if dataset.labels.dtype != np.bool_:
        return names[0]
    reach = [abs(skill(dataset.labels, column.astype(np.float64)) - 0.5) for column in dataset.features.T]
    return names[int(np.argmax(reach))]
