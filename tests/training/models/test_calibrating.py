"""A calibration makes probabilities of any margins, whatever their unit, and keeps their order."""

from __future__ import annotations

import math

import numpy as np
import pytest

from presage_training.models.calibrating import fit_calibration


def drawn(count, *, a, b, seed=0):
    """Margins whose log-odds are ``a * margin + b``."""
    random = np.random.default_rng(seed)
    margins = random.normal(size=count)
    return margins, (random.random(count) < 1 / (1 + np.exp(-(a * margins + b)))).astype(np.float64)


@pytest.mark.parametrize(("a", "b"), [(1.0, 0.0), (0.4, -3.0), (2.5, 1.0)])
def test_a_sigmoid_is_found_again(a, b):
    found = fit_calibration("sigmoid", "logit", *drawn(40_000, a=a, b=b))

    assert found.a == pytest.approx(a, abs=0.08)
    assert found.b == pytest.approx(b, abs=0.08)


@pytest.mark.parametrize("unit", [1e-3, 0.1, 100.0])
def test_the_unit_of_a_margin_does_not_matter(unit):
    margins, targets = drawn(5_000, a=0.05, b=-1.0)
    found = fit_calibration("sigmoid", "logit", margins, targets)
    scaled = fit_calibration("sigmoid", "logit", margins * unit, targets)

    if unit * scaled.a == pytest.approx(found.a, rel=1e-3):
        assert scaled.b == pytest.approx(found.b, abs=1e-3)
    else:
        assert scaled.a in {1e-3, 100.0}


@pytest.mark.parametrize("kind", ["sigmoid", "isotonic"])
def test_calibrated_probabilities_are_true(kind):
    found = fit_calibration(kind, "logit", *drawn(60_000, a=0.5, b=-2.0))
    margins, targets = drawn(60_000, a=0.5, b=-2.0, seed=1)
    probabilities = np.array([found.apply(margin) for margin in margins])

    for part in np.array_split(np.argsort(margins), 8):
        assert probabilities[part].mean() == pytest.approx(targets[part].mean(), abs=0.02)


@pytest.mark.parametrize("kind", ["sigmoid", "isotonic"])
def test_margins_against_the_targets_do_not_turn_the_order_round(kind):
    margins, targets = drawn(2_000, a=-1.0, b=-1.0)
    found = fit_calibration(kind, "logit", margins, targets)

    assert found.apply(-3.0) <= found.apply(3.0) < found.apply(-3.0) + 0.1
    assert found.apply(0.0) == pytest.approx(targets.mean(), abs=0.02)


@pytest.mark.parametrize("kind", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("link", ["logit", "probability"])
def test_few_separable_rows_do_not_make_certainties(kind, link):
    margins = np.array([0.1, 0.1, 0.2, 0.8, 0.9])
    found = fit_calibration(kind, link, margins, (margins > 0.5).astype(np.float64))

    assert 0.0 < found.apply(-1.0) <= found.apply(2.0) < 1.0
    assert math.isfinite(found.apply(0.5))


def test_knots_of_an_isotonic_curve_hold_rows_and_never_step():
    margins, targets = drawn(5_000, a=3.0, b=0.0)
    found = fit_calibration("isotonic", "logit", margins, targets)

    assert len(found.margins) > 5
    slopes = np.diff(found.probabilities) / np.diff(found.margins)
    assert (slopes >= 0).all()
    assert slopes.max() <= 0.5
