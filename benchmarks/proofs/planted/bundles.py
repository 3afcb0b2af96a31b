"""The planted versions, whose true difference is measured on more simulated visitors than a verdict sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from presage_featurizer import CORE, MICROS
from presage_training.datasets.dataset import Dataset, build_dataset
from presage_training.datasets.targets import PurchaseInSession
from presage_training.experiment.planning import to_rows
from presage_training.models import export_fitted, fit
from presage_training.replaying.decisions import EveryEvent
from presage_training.simulator import Shop, simulate

__all__ = ["CASES", "CHALLENGER", "CHAMPION", "START", "Truth", "plant"]

CASES: Final[Mapping[str, tuple[str, str]]] = {
    "worse": ("good", "poor"),
    "better": ("poor", "good"),
    "equal": ("good", "as good"),
}
"""Which model is the champion and which the challenger, by the name that their bundles get."""
START: Final = 1_767_571_200 * MICROS
"""A Monday."""
CHAMPION: Final = "1"
CHALLENGER: Final = "2"

_KIND: Final = "lightgbm-classifier"
_SEEN_BY_POOR: Final = frozenset(
    {"hour_of_day", "device_encoded", "country_encoded", "frequency", "product_views", "add_to_cart_events"}
)
_PARITY_ROWS: Final = 2_000
_NEAREST_TO_CERTAIN: Final = 1e-6


class Truth(NamedTuple):
    """How a challenger differs from its champion, over one row of each session of visitors that neither was trained on."""

    sessions: int
    auc: tuple[float, float]
    """Of the champion and of the challenger."""
    calibration: tuple[float, float]
    """The mean score less the mean outcome, of both."""
    loss: float
    """The challenger's log loss less the champion's."""
    error: float
    """The standard error of that."""


def plant(models: Path, *, visitors: int, days: int, seed: int) -> dict[str, Truth]:
    """Write the two versions of each case, and measure how they differ.

    The poor model is trained on the same rows as the good one, but sees few of the features. The one that is as good
    is trained on as many other visitors, with another seed. All are calibrated on the same further ones, so that they differ in how
    they order visitors.

    Args:
        models: The folder of bundles, CASE/VERSION.
        visitors: How many visitors each training has; the truth is measured on four times as many.
        days: For how many days they come.
        seed: Of all of them, and of the trainings.
    """
    shop = Shop.create(seed=seed)

    def rows(number: int, count: int) -> Dataset:
        events = simulate(seed=seed + number, visitors=count, start_unix_micros=START, days=days, shop=shop)
        # Sessions get their labels once they have ended, as in verdicts.
        target = PurchaseInSession(ended_only=True)
        return build_dataset(events, decisions=EveryEvent(), target=target, feature_set=CORE)

    first, second = rows(1, visitors), rows(2, visitors)
    calibrating = _one_of_each_session(rows(3, 2 * visitors), seed)
    unseen = [place for place, name in enumerate(CORE.features) if name not in _SEEN_BY_POOR]
    fitted = {
        "good": fit(_KIND, to_rows(first), to_rows(calibrating), seed=seed),
        "poor": fit(_KIND, to_rows(_hidden(first, unseen)), to_rows(calibrating), seed=seed),
        "as good": fit(_KIND, to_rows(second), to_rows(calibrating), seed=seed + 1),
    }
    for case, names in CASES.items():
        for version, name in zip((CHAMPION, CHALLENGER), names, strict=True):
            export_fitted(fitted[name], models / case / version, rows=first.features[:_PARITY_ROWS], feature_set=CORE)
    others = _one_of_each_session(rows(4, 4 * visitors), seed)
    scores = {name: model.predict(others.features) for name, model in fitted.items()}
    return {case: _truth(others, *(scores[name] for name in names)) for case, names in CASES.items()}


def _hidden(rows: Dataset, columns: list[int]) -> Dataset:
    features = rows.features.copy()
    features[:, columns] = 0.0
    return replace(rows, features=features)


def _one_of_each_session(rows: Dataset, seed: int) -> Dataset:
    order = np.random.default_rng(seed).permutation(len(rows))
    _, firsts = np.unique(np.stack([rows.visitors, rows.sessions], axis=1)[order], axis=0, return_index=True)
    return rows.take(np.sort(order[firsts]))


def _truth(rows: Dataset, champion: NDArray[np.float64], challenger: NDArray[np.float64]) -> Truth:
    labels = rows.positive.astype(np.float64)
    both = (champion, challenger)
    losses = [_losses(labels, scores) for scores in both]
    difference = losses[1] - losses[0]
    auc_a, auc_b = (float(roc_auc_score(labels, scores)) for scores in both)
    off_a, off_b = (float((scores - labels).mean()) for scores in both)
    return Truth(
        sessions=len(rows),
        auc=(auc_a, auc_b),
        calibration=(off_a, off_b),
        loss=float(difference.mean()),
        error=float(difference.std(ddof=1)) / len(rows) ** 0.5,
    )


def _losses(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(scores, _NEAREST_TO_CERTAIN, 1.0 - _NEAREST_TO_CERTAIN)
    return -np.where(labels > 0.0, np.log(clipped), np.log1p(-clipped))
