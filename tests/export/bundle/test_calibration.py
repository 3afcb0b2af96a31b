from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_export.bundle.calibration import MAX_CALIBRATION_SLOPE, IsotonicCalibration, SigmoidCalibration, to_scores
from presage_export.bundle.link import apply_link

finite = st.floats(allow_nan=False, allow_infinity=False)
margins = st.floats(-50, 50)
sigmoids = st.builds(SigmoidCalibration, a=st.floats(1e-3, 4 * MAX_CALIBRATION_SLOPE), b=st.floats(-10, 10))


@st.composite
def isotonics(draw):
    places = sorted(draw(st.sets(st.integers(-100, 100), min_size=1, max_size=20)))
    rises = sorted(draw(st.lists(st.floats(0, 1), min_size=len(places), max_size=len(places))))
    return IsotonicCalibration(margins=tuple(map(float, places)), probabilities=tuple(rises))


calibrations = st.one_of(sigmoids, isotonics())


@given(calibration=calibrations, first=finite, second=finite)
def test_scores_are_probabilities_and_keep_the_order(calibration, first, second):
    lower, higher = (calibration.apply(margin) for margin in sorted([first, second]))

    assert 0.0 <= lower <= higher <= 1.0


@given(calibration=calibrations, margin=margins)
def test_a_rounding_error_stays_one(calibration, margin):
    """That is what a step, and so isotonic calibration in a float32 graph, cannot promise."""
    rounded = float(np.float32(margin))
    error = abs(calibration.apply(rounded) - calibration.apply(margin))

    assert error <= MAX_CALIBRATION_SLOPE * abs(rounded - margin) * (1 + 1e-9) + 1e-12


@given(calibration=isotonics())
def test_knots_say_what_they_say(calibration):
    for margin, probability in zip(calibration.margins, calibration.probabilities, strict=True):
        assert calibration.apply(margin) == pytest.approx(probability, abs=1e-15)
    for (low, high), (below, above) in zip(
        pairwise(calibration.margins), pairwise(calibration.probabilities), strict=True
    ):
        assert calibration.apply((low + high) / 2) == pytest.approx((below + above) / 2)


@pytest.mark.parametrize(
    "calibration", [SigmoidCalibration(a=1.0, b=0.0), IsotonicCalibration(margins=(0.0,), probabilities=(0.5,))]
)
def test_extremes_have_a_score_and_nan_has_none(calibration):
    assert math.isnan(calibration.apply(math.nan))
    assert 0.0 <= calibration.apply(-math.inf) <= calibration.apply(math.inf) <= 1.0


@pytest.mark.parametrize("link", ["logit", "identity", "probability"])
@given(values=st.lists(finite))
def test_without_a_calibration_the_link_scores(link, values):
    assert to_scores(link, None, values) == [apply_link(link, value) for value in values]


@given(calibration=calibrations, values=st.lists(finite))
def test_a_calibration_takes_the_place_of_the_link(calibration, values):
    expected = [calibration.apply(value) for value in values]

    assert to_scores("logit", calibration, values) == to_scores("identity", calibration, values) == expected


@given(margin=finite)
def test_the_plainest_sigmoid_is_the_logit_link(margin):
    assert to_scores("identity", SigmoidCalibration(a=1.0, b=0.0), [margin]) == to_scores("logit", None, [margin])


@pytest.mark.parametrize(("a", "b"), [(0.0, 0.0), (-1.0, 0.0), (1e3, 0.0), (math.nan, 0.0), (1.0, math.inf)])
def test_a_sigmoid_out_of_bounds_is_refused(a, b):
    with pytest.raises(ValueError, match=r"calibration\.[ab]: expected"):
        SigmoidCalibration(a=a, b=b)


@pytest.mark.parametrize(
    ("places", "probabilities", "reason"),
    [
        ((), (), "expected 1 to"),
        ((0.0, 1.0), (0.5,), "as many probabilities"),
        ((1.0, 1.0), (0.1, 0.2), "calibration.margins"),
        ((0.0, math.inf), (0.1, 0.2), "calibration.margins"),
        ((0.0, math.nan), (0.1, 0.2), "calibration.margins"),
        ((0.0, 1.0), (0.2, 0.1), "calibration.probabilities"),
        ((0.0, 1.0), (0.2, 1.1), "calibration.probabilities"),
        ((0.0, 1e-6), (0.2, 0.9), "steeper than"),
    ],
)
def test_knots_out_of_bounds_are_refused(places, probabilities, reason):
    with pytest.raises(ValueError, match=reason):
        IsotonicCalibration(margins=places, probabilities=probabilities)
