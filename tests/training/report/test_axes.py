from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_training.report.axes import UNIT, Axis

SHARES = st.floats(0.0, 1.0)


@pytest.mark.parametrize(
    ("values", "first", "last"),
    [
        ((0.001, 0.004, 0.058), 0.0, 0.06),  # a log with a prevalence of 1 %
        ((0.0004, 0.0021), 0.0, 0.0025),
        ((0.94, 0.99), 0.94, 1.0),  # what nearly always happens
        ((0.31, 0.35), 0.31, 0.35),
        ((0.012,), 0.0, 0.025),  # one point: the prevalence alone
        ((0.1, 0.7), 0.0, 1.0),
        ((0.0, 0.5), 0.0, 1.0),
        ((0.0,), 0.0, 1.0),
        ((), 0.0, 1.0),
    ],
)
def test_an_axis_has_the_scale_of_the_data(values, first, last):
    assert Axis.around(values) == Axis(first, last)


@given(values=st.lists(SHARES, min_size=1))
def test_all_values_are_on_the_axis(values):
    axis = Axis.around(values)

    assert 0.0 <= axis.first < axis.last <= 1.0
    assert all(-1e-9 <= axis.place(value) <= 1.0 + 1e-9 for value in values)
    assert all(axis.first <= tick <= axis.last for tick in axis.ticks)
    assert 2 <= len(axis.ticks) <= 7


def test_the_ends_of_an_axis_that_is_zoomed_are_part_of_its_label():
    assert Axis(0.0, 0.06).label("mean score") == "mean score (zoomed: 0 to 0.06)"
    assert UNIT.label("mean score") == "mean score"


def test_ticks_are_round_numbers():
    assert UNIT.ticks == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert Axis.around((0.001, 0.058)).ticks == (0.0, 0.02, 0.04, 0.06)
    assert Axis.around((0.94, 0.99)).ticks == (0.94, 0.96, 0.98, 1.0)
