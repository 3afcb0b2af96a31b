"""Outcomes by arm: what may be concluded of a version that few visitors get."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from presage_training.verdicts.estimates import Estimate, estimate_by_arm
from presage_training.verdicts.sequence import confidence_sequence

SHARE = 0.1
LOOKS = (1_000, 1_400, 2_000, 2_800, 4_000)


def outcomes(random: np.random.Generator, rate_a: float, rate_b: float) -> tuple[SimpleNamespace, np.ndarray]:
    """Sessions of two arms, the second of which has a tenth of the visitors."""
    by_b = random.random(LOOKS[-1]) < SHARE
    rows = SimpleNamespace(
        arms=np.where(by_b, 2, 1).astype(np.int8),
        propensities=np.where(by_b, SHARE, 1.0 - SHARE),
        served_a=~by_b,
        served_b=by_b,
    )
    return rows, (random.random(len(by_b)) < np.where(by_b, rate_b, rate_a)).astype(np.float64)


def look(rows: SimpleNamespace, values: np.ndarray, count: int) -> Estimate:
    seen = SimpleNamespace(**{name: column[:count] for name, column in vars(rows).items()})
    estimate = estimate_by_arm(values[:count], seen, confidence_sequence)
    assert estimate is not None
    return estimate


def test_an_equal_version_is_not_harmful_because_its_few_visitors_bought_nothing_by_chance():
    random = np.random.default_rng(5)
    alarms = 0
    for _ in range(60):
        rows, values = outcomes(random, 0.02, 0.02)
        alarms += any(look(rows, values, count).difference.high < 0.0 for count in LOOKS)
    assert alarms <= 2


def test_a_version_that_nobody_buys_with_is_harmful():
    rows, values = outcomes(np.random.default_rng(5), 0.08, 0.0)
    assert look(rows, values, LOOKS[-1]).difference.high < 0.0
