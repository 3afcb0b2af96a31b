"""Intervals that hold however often one looks."""

from __future__ import annotations

import numpy as np
import pytest

from presage_training.errors import VerdictError
from presage_training.verdicts import confidence_sequence


def standard(count: int) -> np.ndarray:
    """Values whose mean is 0 and whose standard deviation is 1."""
    values = np.linspace(-1.0, 1.0, count)
    return values / values.std(ddof=1)


@pytest.mark.parametrize(
    ("count", "boundary"),
    # What the library ville 0.1.0 gives as Robbins' normal mixture boundary of the sum, with the same mixture.
    [(300, 77.03525091667345), (5_000, 214.62168594134226), (20_000, 442.2407233092288)],
)
def test_the_interval_is_that_of_another_implementation(count, boundary):
    interval = confidence_sequence(standard(count), tightest_at=5_000)

    assert interval.value == pytest.approx(0.0, abs=1e-12)
    assert interval.high * count == pytest.approx(boundary, rel=1e-9)
    assert interval.low == pytest.approx(-interval.high)


def false_alarms(looks: int) -> tuple[float, float]:
    """How often a sequence, and a fixed interval of 95 %, see a difference of two equal models at any of the looks."""
    random = np.random.default_rng(3)
    repeats, counts = 400, np.linspace(200, 6_000, looks).astype(int)
    by_sequence = by_fixed = 0
    for _ in range(repeats):
        margins = random.normal(-2.5, 1.0, size=counts[-1])
        bought = random.random(counts[-1]) < 1.0 / (1.0 + np.exp(-margins))
        losses = []
        for _ in range(2):  # each is wrong in a way of its own, and as wrong as the other
            scores = 1.0 / (1.0 + np.exp(-margins - random.normal(0.0, 0.3, size=counts[-1])))
            losses.append(-np.where(bought, np.log(scores), np.log1p(-scores)))
        differences = losses[1] - losses[0]
        by_sequence += any(confidence_sequence(differences[:count]).excludes_zero for count in counts)
        sums, squares = np.cumsum(differences)[counts - 1], np.cumsum(differences**2)[counts - 1]
        deviations = np.sqrt(squares / counts - (sums / counts) ** 2)
        by_fixed += bool((np.abs(sums / counts) > 1.96 * deviations / np.sqrt(counts)).any())
    return by_sequence / repeats, by_fixed / repeats


def test_sixty_looks_at_equal_models_raise_few_alarms_where_a_fixed_interval_raises_many():
    by_sequence, by_fixed = false_alarms(60)

    assert by_sequence <= 0.05
    assert by_fixed > 0.2


def test_few_values_exclude_nothing():
    assert confidence_sequence(np.array([])) == (0.0, -np.inf, np.inf)
    assert confidence_sequence(np.array([3.0])) == (3.0, -np.inf, np.inf)


@pytest.mark.parametrize("argument", [{"alpha": 0.0}, {"alpha": 1.0}, {"tightest_at": 0}])
def test_arguments_out_of_range_are_named(argument):
    with pytest.raises(VerdictError, match=f"{next(iter(argument))}: expected"):
        confidence_sequence(standard(10), **argument)
