"""Leakage checks: signs that a dataset or a model contains information from after the decision.

A warning is no proof. Each check returns a named warning or None. All but ``event_order`` are for targets that are true or false,
and for rows that the model was not trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from presage_training.datasets.dataset import Dataset, check_labels
from presage_training.errors import DatasetError

__all__ = [
    "LeakageWarning",
    "ScoreFunction",
    "chance_interval",
    "early_prefixes",
    "event_order",
    "lone_features",
    "shifted_now",
    "shuffled_labels",
]

ScoreFunction = Callable[[NDArray[np.float32]], NDArray[np.float64]]
"""A trained model: features of shape (rows, features) to scores of shape (rows,); any scale, higher is likelier."""

_MAX_EARLY_AUC = 0.95
_MAX_LONE_AUC = 0.9
_MAX_SHIFT_LOSS = 0.01
_FEWEST_OF_A_KIND = 10
_CHANCE_DEVIATIONS = 3.29
"""Standard deviations that leave 0.1 % outside."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LeakageWarning:
    name: str
    """The check: early-prefixes, event-order, lone-feature, shifted-now or shuffled-labels."""
    message: str
    """The finding, and where to look."""
    roc_auc: float | None = None
    """The ROC-AUC behind the warning; None for event-order."""


def event_order(dataset: Dataset) -> LeakageWarning | None:
    """Warn of a log with many events that are out of order.

    Rows of such a log contain events from after the decision, and labels lack outcomes: a model can look sound on it, as it is
    measured on rows that are wrong in the same way.

    Args:
        dataset: Any rows of the log.
    """
    order = dataset.log.order
    if order.has_many_late:
        finding = f"{order.description}: features contain events from after the decision, and labels miss purchases"
    elif dataset.log.needs_log_order and order.has_many_behind:
        finding = f"{order.description_behind}: visitors lack the rows between"
    else:
        return None
    return LeakageWarning(name="event-order", message=f"{finding}; give --sort, unless servers received this order")


def early_prefixes(dataset: Dataset, score: ScoreFunction, *, events: int = 3) -> LeakageWarning | None:
    """Warn of a ROC-AUC above 0.95 after a session's first few events.

    Args:
        dataset: Held-out rows.
        score: The model.
        events: The number of a session's events that count as early.

    Returns:
        A warning; None if there is none, or fewer than 10 early rows are positive or negative.
    """
    early = dataset.take((dataset.prefix_lengths >= 1) & (dataset.prefix_lengths <= events))
    auc = _auc(early, score(early.features)) if _has_enough_rows(early) else 0.5
    if auc <= _MAX_EARLY_AUC:
        return None
    return LeakageWarning(
        name="early-prefixes",
        message=(
            f"ROC-AUC is {auc:.3f} over {len(early)} rows of sessions with up to {events} events, more than {_MAX_EARLY_AUC}: "
            "such skill is implausible so early; look for a feature that is filled in afterwards"
        ),
        roc_auc=auc,
    )


def lone_features(dataset: Dataset) -> list[LeakageWarning]:
    """Warn of each feature that alone, in either direction, has a ROC-AUC above 0.9.

    Args:
        dataset: Any rows.

    Returns:
        A warning for each such feature; none if fewer than 10 rows are positive or negative.
    """
    if not _has_enough_rows(dataset):
        return []
    warnings = []
    for name, column in zip(dataset.feature_set.features, dataset.features.T, strict=True):
        auc = _auc(dataset, column)
        auc = max(auc, 1.0 - auc)
        if auc > _MAX_LONE_AUC:
            message = (
                f"{name} alone has a ROC-AUC of {auc:.3f}, more than {_MAX_LONE_AUC}: "
                "check whether it contains the outcome"
            )
            warnings.append(LeakageWarning(name="lone-feature", message=message, roc_auc=auc))
    return warnings


def shifted_now(dataset: Dataset, shifted: Dataset, score: ScoreFunction) -> LeakageWarning | None:
    """Warn of a ROC-AUC that falls by more than 0.01 when features are computed for one second earlier.

    A visitor's future does not depend on one second; a model that does uses the exact moment at which a row was made, for example a
    time that only positive rows have.

    Args:
        dataset: Held-out rows.
        shifted: The same rows, of a dataset that was built with ``now_shift_micros=-1_000_000``.
        score: The model.

    Returns:
        A warning; None if there is none, or fewer than 10 rows are positive or negative.

    Raises:
        DatasetError: The rows are not the same ones.
    """
    same = (
        len(dataset) == len(shifted)
        and np.array_equal(dataset.times_unix_micros, shifted.times_unix_micros)
        and np.array_equal(dataset.visitors, shifted.visitors)
    )
    if not same:
        raise DatasetError("shifted-now: expected the same rows twice; build and split both datasets alike")
    if not _has_enough_rows(dataset):
        return None
    auc, shifted_auc = _auc(dataset, score(dataset.features)), _auc(dataset, score(shifted.features))
    if auc - shifted_auc <= _MAX_SHIFT_LOSS:
        return None
    return LeakageWarning(
        name="shifted-now",
        message=(
            f"ROC-AUC falls from {auc:.3f} to {shifted_auc:.3f} when features are computed for one second earlier: "
            "look for a feature that is different at the very moment of the decision"
        ),
        roc_auc=shifted_auc,
    )


def shuffled_labels(
    dataset: Dataset,
    evaluate: Callable[[Dataset], tuple[NDArray[np.bool_], NDArray[np.float64]]],
    *,
    seed: int,
) -> LeakageWarning | None:
    """Warn of a ROC-AUC outside ``chance_interval`` with shuffled labels.

    It means that a label is part of its row, or that test rows are among the training rows.

    Args:
        dataset: All rows, before any split.
        evaluate: Splits a dataset and trains on it; returns the labels of the held-out rows and their scores.
        seed: The same seed shuffles the same way.

    Returns:
        A warning, also for 0.1 % of sound set-ups; otherwise None.

    Raises:
        DatasetError: As ``evaluate`` does, or all labels are the same.
    """
    check_labels(dataset)
    labels, scores = evaluate(replace(dataset, labels=np.random.default_rng(seed).permutation(dataset.labels)))
    auc = float(roc_auc_score(labels, scores))
    low, high = chance_interval(labels)
    if low <= auc <= high:
        return None
    return LeakageWarning(
        name="shuffled-labels",
        message=(
            f"ROC-AUC is {auc:.3f} with shuffled labels; chance gives {low:.3f} to {high:.3f}: "
            "look for a label within its row, or for held-out rows among the training rows"
        ),
        roc_auc=auc,
    )


def chance_interval(labels: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the interval that contains the ROC-AUC of 99.9 % of random scores for these labels.

    The normal approximation of the Mann-Whitney U statistic (H. B. Mann and D. R. Whitney, 1947), whose variance over the squared
    number of pairs is (positives + negatives + 1) / (12 positives negatives); ties only make the true interval narrower.

    Raises:
        DatasetError: All labels are the same.
    """
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if not positives or not negatives:
        raise DatasetError(f"expected positive and negative labels, got {positives} positive and {negatives} negative")
    reach = _CHANCE_DEVIATIONS * sqrt((positives + negatives + 1) / (12 * positives * negatives))
    return max(0.0, 0.5 - reach), min(1.0, 0.5 + reach)


def _has_enough_rows(dataset: Dataset) -> bool:
    """Return whether there are enough positive and negative rows for a meaningful ROC-AUC."""
    positives = int(dataset.positive.sum())
    return min(positives, len(dataset) - positives) >= _FEWEST_OF_A_KIND


def _auc(dataset: Dataset, scores: NDArray[np.floating]) -> float:
    return float(roc_auc_score(dataset.positive, scores))
