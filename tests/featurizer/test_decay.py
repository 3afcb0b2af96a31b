from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from presage_featurizer.decay import decay_factor
from support.events import DAY_MICROS

ages = st.integers(0, 1_000 * DAY_MICROS)


def test_each_half_life_halves():
    assert [decay_factor(days * DAY_MICROS, DAY_MICROS) for days in range(4)] == [1.0, 0.5, 0.25, 0.125]


def test_between_two_halvings_it_falls_in_a_straight_line():
    assert decay_factor(DAY_MICROS // 2, DAY_MICROS) == 0.75


def test_what_is_ahead_has_not_decayed():
    assert decay_factor(-1, DAY_MICROS) == 1.0


@given(ages, ages)
def test_it_never_rises(one, other):
    younger, older = sorted((one, other))
    assert 0.0 <= decay_factor(older, DAY_MICROS) <= decay_factor(younger, DAY_MICROS) <= 1.0


@given(st.integers(0, 60 * DAY_MICROS))
def test_it_stays_near_the_exponential(age):
    exact = 2.0 ** (-age / DAY_MICROS)
    assert exact <= decay_factor(age, DAY_MICROS) * (1 + 1e-12)
    assert decay_factor(age, DAY_MICROS) <= 1.062 * exact
