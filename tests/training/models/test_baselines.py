"""The baselines that are fitted by a formula."""

from __future__ import annotations

import numpy as np
import pytest

from presage_training.models import Rows
from presage_training.models.baselines import fit_rfm_rule


@pytest.mark.parametrize("seed", range(4))
def test_equal_points_of_the_rule_are_equal_margins(seed):
    """Otherwise the rounding of sums breaks ties, on each machine in another way."""
    random = np.random.default_rng(seed)
    features = random.exponential(size=(3_000, 3)).astype(np.float32)
    rows = Rows(
        features=features,
        targets=(random.random(3_000) < 0.2).astype(np.float64),
        times_unix_micros=np.zeros(3_000, np.int64),
        feature_names=("recency_days", "frequency", "monetary_value"),
    )
    assert len(np.unique(fit_rfm_rule(rows).margins(features))) == 13  # 3 to 15 points
