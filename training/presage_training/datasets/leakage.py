"""Smells of leakage: signs that a dataset or a model knows what it could not have known when it was asked.

A smell is no proof. Each check answers with a warning that has a name, or with None; all of them are for targets that are true or
false, and rows that the model was not trained on.
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
    """A smell."""

    name: str
    """Which: early-prefixes, lone-feature, shifted-now or shuffled-labels."""
    message: str
    """What was found, and where to look."""
    roc_auc: float
    """The figure that gave it away."""


def early_prefixes(dataset: Dataset, score: ScoreFunction, *, events: int = 3) -> LeakageWarning | None:
    """Check that a model does not know too much after a session's first events: ROC-AUC above 0.95.

    Args:
        dataset: Held-out rows.
        score: The model.
        events: How many events of a session count as early.

    Returns:
        A warning; None if all is well, or fewer than 10 rows of either kind are early.
    """
    early = dataset.take((dataset.prefix_lengths >= 1) & (dataset.prefix_lengths <= events))
    auc = _auc(early, score(early.features)) if _can_tell(early) else 0.5
    if auc <= _MAX_EARLY_AUC:
        return None
    return LeakageWarning(
        name="early-prefixes",
        message=(
            f"ROC-AUC is {auc:.3f} over {len(early)} rows of sessions with up to {events} events, more than {_MAX_EARLY_AUC}: "
            "nobody knows so much so early; look for a feature that is filled in afterwards"
        ),
        roc_auc=auc,
    )


def lone_features(dataset: Dataset) -> list[LeakageWarning]:
    """Check that no feature alone, in either direction, tells positive from negative rows: ROC-AUC above 0.9.

    Args:
        dataset: Any rows.

    Returns:
        A warning for each such feature; none if fewer than 10 rows are of either kind.
    """
    if not _can_tell(dataset):
        return []
    warnings = []
    for name, column in zip(dataset.feature_set.features, dataset.features.T, strict=True):
        auc = _auc(dataset, column)
        auc = max(auc, 1.0 - auc)
        if auc > _MAX_LONE_AUC:
            message = (
                f"{name} alone has a ROC-AUC of {auc:.3f}, more than {_MAX_LONE_AUC}: "
                "look whether it says what happened rather than what will"
            )
            warnings.append(LeakageWarning(name="lone-feature", message=message, roc_auc=auc))
    return warnings


def shifted_now(dataset: Dataset, shifted: Dataset, score: ScoreFunction) -> LeakageWarning | None:
    """Check that a model does as well when features take it to be a second earlier: ROC-AUC lower by more than 0.01.

    What a visitor will do does not hang on the second; a model that does owes something to the very moment at which a row was made,
    as a time that only rows of one kind have.

    Args:
        dataset: Held-out rows.
        shifted: The same rows, of a dataset that was built with ``now_shift_micros=-1_000_000``.
        score: The model.

    Returns:
        A warning; None if all is well, or fewer than 10 rows are of either kind.

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
    if not _can_tell(dataset):
        return None
    auc, shifted_auc = _auc(dataset, score(dataset.features)), _auc(dataset, score(shifted.features))
    if auc - shifted_auc <= _MAX_SHIFT_LOSS:
        return None
    return LeakageWarning(
        name="shifted-now",
        message=(
            f"ROC-AUC falls from {auc:.3f} to {shifted_auc:.3f} when the features take it to be a second earlier: "
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
    """Check that labels at random cannot be learnt: ROC-AUC outside ``chance_interval``.

    If they can, a label is in its row, or rows that a model is tested on are among those that it was trained on.

    Args:
        dataset: All rows, before any split.
        evaluate: Does all that is done to a dataset: splits it, trains, and answers with the labels of the held-out rows and their
            scores.
        seed: The same seed shuffles the same way.

    Returns:
        A warning; None if all is well, which 0.1 % of sound set-ups are not found to be.

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
            "look for a label within its row, or for held-out rows among those of training"
        ),
        roc_auc=auc,
    )


def chance_interval(labels: NDArray[np.bool_]) -> tuple[float, float]:
    """Tell between which ROC-AUCs 99.9 % of scores lie that know nothing of these labels.

    The normal approximation of the Mann-Whitney U statistic (H. B. Mann and D. R. Whitney, 1947), whose variance over the squared
    number of pairs is (positives + negatives + 1) / (12 positives negatives); ties only make the true interval narrower.

    Raises:
        DatasetError: All labels are the same.
    """
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if not positives or not negatives:
        raise DatasetError(f"expected labels of both kinds, got {positives} positive and {negatives} negative")
    reach = _CHANCE_DEVIATIONS * sqrt((positives + negatives + 1) / (12 * positives * negatives))
    return max(0.0, 0.5 - reach), min(1.0, 0.5 + reach)


def _can_tell(dataset: Dataset) -> bool:
    """Whether there are rows enough of both kinds for a ROC-AUC to mean something."""
    positives = int(dataset.positive.sum())
    return min(positives, len(dataset) - positives) >= _FEWEST_OF_A_KIND


def _auc(dataset: Dataset, scores: NDArray[np.floating]) -> float:
    return float(roc_auc_score(dataset.positive, scores))
