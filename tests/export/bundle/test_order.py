"""Orders may differ where margins do so by less than rounding, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_export.bundle.order import compare_order
from presage_export.errors import ParityError

TOLERANCE = 2 * 1e-5 * (1 + 100 / 100)


def compare(expected, actual, sizes):
    expected = np.array(expected, np.float64)
    rows = np.zeros((len(expected), 2), np.float32)
    return compare_order(expected, np.array(actual, np.float32), sizes, rows=rows, trees=100)


@given(
    margins=st.lists(st.floats(-1.0, 1.0, width=32), min_size=1, max_size=40),
    noise=st.lists(st.floats(-0.4, 0.4), min_size=40, max_size=40),
)
def test_rounding_is_permitted(margins, noise):
    actual = [margin + TOLERANCE * wobble for margin, wobble in zip(margins, noise, strict=False)]

    compare(margins, actual, [len(margins)])


@given(st.permutations(range(12)))
def test_another_order_is_not(order):
    """Margins a step of ten tolerances apart: whatever is moved is noticed."""
    margins = np.arange(12) * 10 * TOLERANCE
    actual = margins[list(order)]
    if list(order) == list(range(12)):
        assert compare(margins, actual, [12]).near_ties == 0
    else:
        with pytest.raises(ParityError, match="a group of 12 candidates is in another order"):
            compare(margins, actual, [12])


def test_many_small_steps_do_not_add_up_to_a_large_one():
    margins = np.linspace(0.0, 100 * TOLERANCE, 200)

    with pytest.raises(ParityError, match="another order"):
        compare(margins, margins[::-1], [200])


def test_groups_are_compared_one_by_one():
    near = [0.5, 0.5 + TOLERANCE / 2]
    report = compare([1.0, 0.0, *near], [1.0, 0.0, *near[::-1]], [2, 2])

    assert (report.groups, report.near_ties) == (2, 1)
    compare([1.0, 0.0, 9.0, 5.0], [1.0, 0.0, 9.0, 5.0], [1, 1, 2])


def test_sizes_must_be_those_of_the_rows():
    with pytest.raises(ValueError, match="a sum of 3, got 2"):
        compare([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [2])
