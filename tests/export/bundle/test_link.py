from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from presage_export.bundle.link import apply_link, apply_link_array

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(margin=finite)
def test_logit_is_a_probability_and_mirrors(margin):
    probability = apply_link("logit", margin)

    assert 0.0 <= probability <= 1.0
    assert math.isclose(1.0 - probability, apply_link("logit", -margin), abs_tol=1e-15)


@given(first=finite, second=finite)
def test_logit_keeps_the_order(first, second):
    lower, higher = sorted([first, second])

    assert apply_link("logit", lower) <= apply_link("logit", higher)


@pytest.mark.parametrize(
    ("margin", "probability"),
    [(0.0, 0.5), (-0.0, 0.5), (1e308, 1.0), (-1e308, 0.0), (math.inf, 1.0), (-math.inf, 0.0), (-700.0, math.exp(-700))],
)
def test_logit_of_the_extremes(margin, probability):
    assert probability == apply_link("logit", margin)


def test_nan_stays_nan():
    assert math.isnan(apply_link("logit", math.nan))
    assert math.isnan(apply_link("identity", math.nan))
    assert math.isnan(apply_link("probability", math.nan))


@given(margin=finite)
def test_identity_changes_nothing(margin):
    assert margin == apply_link("identity", margin)


@given(margin=finite)
def test_a_probability_stays_one(margin):
    assert apply_link("probability", margin) == min(max(margin, 0.0), 1.0)


@pytest.mark.parametrize("link", ["logit", "identity", "probability"])
@given(margins=arrays(np.float64, st.integers(0, 20), elements=st.floats(-50, 50)))
def test_the_array_form_is_the_scalar_form_bit_for_bit(link, margins):
    scalars = np.array([apply_link(link, float(margin)) for margin in margins], dtype=np.float64)

    assert scalars.tobytes() == apply_link_array(link, margins).tobytes()


def test_an_unknown_link_is_refused_by_name():
    with pytest.raises(ValueError, match="expected 'logit', 'identity' or 'probability', got 'probit'"):
        apply_link("probit", 0.0)
