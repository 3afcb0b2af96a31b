"""Made-up visitors: what they buy depends on their features, with noise, over 100 days."""

from __future__ import annotations

import numpy as np

from presage_training.models import Rows

NAMES = ("recency_days", "frequency", "monetary_value", "page_views", "cart_items_count", "noise")
DAY = 86_400_000_000


def rows_of(count: int, *, seed: int = 0, task: str = "classification") -> Rows:
    """Rows in the order of time, with about one positive in four; rank by grades in lists of 10."""
    random = np.random.default_rng(seed)
    features = random.exponential([30.0, 3.0, 80.0, 5.0, 1.0, 1.0], size=(count, len(NAMES)))
    features[:, [1, 3, 4]] = np.floor(features[:, [1, 3, 4]])
    features = features.astype(np.float32)
    signal = (
        -0.02 * features[:, 0] + 0.3 * features[:, 1] + 0.6 * (features[:, 4] > 0) * (features[:, 3] > 4) - 1.5
    ).astype(np.float64)
    targets = {
        "classification": random.random(count) < 1 / (1 + np.exp(-signal)),
        "regression": 10 * signal + random.normal(size=count),
        "ranking": np.clip(np.round(signal + random.normal(scale=0.3, size=count) + 1), 0, 4),
    }[task]
    return Rows(
        features=features,
        targets=targets.astype(np.float64),
        times_unix_micros=np.sort(random.integers(0, 100 * DAY, size=count)),
        groups=np.arange(count, dtype=np.int64) // 10,
        feature_names=NAMES,
    )


def parts_of(count: int, *, seed: int = 0, task: str = "classification") -> tuple[Rows, Rows, Rows]:
    """Train, tune and test, one after the other in time."""
    rows = rows_of(count, seed=seed, task=task)
    first, second = count * 6 // 100 * 10, count * 8 // 100 * 10
    return tuple(
        rows.take(np.arange(count)[part]) for part in (slice(first), slice(first, second), slice(second, None))
    )
