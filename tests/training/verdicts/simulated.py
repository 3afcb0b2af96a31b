"""Pairs with known truth: one version scores better than the other, worse, or as well."""

from __future__ import annotations

import numpy as np

from presage_training.verdicts import PairedRows

CHAMPION, CHALLENGER = 1, 2


def logistic(margins: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-margins))


def pairs(
    count: int, *, noise_a: float = 0.5, noise_b: float = 0.5, seed: int = 1, lift_b: float = 0.0, share_b: float = 0.2
) -> PairedRows:
    """Make the pairs of visitors with one session each.

    Args:
        count: How many.
        noise_a: How wrong the first version is: the standard deviation of its margins around the right ones.
        noise_b: The same of the second.
        seed: Of all of it.
        lift_b: What being served by the second version adds to the margin of a purchase.
        share_b: The share of visitors that it serves.
    """
    random = np.random.default_rng(seed)
    margins = random.normal(-2.5, 1.2, size=count)
    served_b = random.random(count) < share_b
    bought = random.random(count) < logistic(margins + lift_b * served_b)
    return PairedRows(
        names=("conversion/3", "conversion/4"),
        target="purchase-in-session",
        is_classification=True,
        users=np.arange(count),
        matured_unix_micros=np.arange(count),
        labels=bought.astype(np.float64),
        scores_a=logistic(margins + random.normal(0.0, noise_a, size=count)),
        scores_b=logistic(margins + random.normal(0.0, noise_b, size=count)),
        arms=np.where(served_b, CHALLENGER, CHAMPION).astype(np.int8),
        propensities=np.where(served_b, share_b, 1.0 - share_b),
        served_a=~served_b,
        served_b=served_b,
    )
