"""What counts as rounding, and what does not."""

from __future__ import annotations

import numpy as np
import pytest

from presage_export.bundle.parity import compare_margins
from presage_export.errors import ParityError

ROWS = np.arange(6, dtype=np.float32).reshape(3, 2)
EXPECTED = np.array([0.0, -8.0, 8.0])


def _compare(actual, *, link="logit", trees=0, expected=EXPECTED):
    return compare_margins(expected, np.asarray(actual, dtype=np.float32), rows=ROWS, link=link, trees=trees)


def test_equal_margins_have_no_error():
    report = _compare(EXPECTED)

    assert (report.rows, report.max_margin_error, report.max_probability_error) == (3, 0.0, 0.0)


def test_the_worst_row_is_named():
    with pytest.raises(ParityError, match=r"2 of 3 margins .* row 1: .* features \[2.0, 3.0\]") as failure:
        _compare([0.0, -8.1, 8.05])

    assert failure.value.row_index == 1
    assert ROWS[1].tolist() == failure.value.row.tolist()


def test_a_margin_may_pass_where_its_probability_does_not():
    assert _compare([0.0, -8.0, 8.000008])
    with pytest.raises(ParityError, match="probabilities"):
        _compare([0.000008, -8.0, 8.0])


def test_more_trees_may_round_more():
    actual = [0.0, -8.0, 8.00002]

    assert _compare(actual, trees=200)
    with pytest.raises(ParityError):
        _compare(actual, trees=0)


def test_the_identity_link_measures_in_units_of_its_margins():
    expected = np.array([0.0, 1e6, -1e6])
    actual = np.array([0.01, 1e6, -1e6])

    assert _compare(actual, link="identity", expected=expected)
    with pytest.raises(ParityError):
        _compare(actual, link="logit", expected=expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("link", ["logit", "identity"])
def test_margins_that_are_not_finite_never_pass(value, link):
    with pytest.raises(ParityError):
        _compare([0.0, value, 8.0], link=link)
    with pytest.raises(ParityError), np.errstate(invalid="ignore"):
        _compare([0.0, value, 8.0], link=link, expected=np.array([0.0, value, 8.0]))
