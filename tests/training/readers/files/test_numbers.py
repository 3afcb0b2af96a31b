from __future__ import annotations

import pytest

from presage_training.readers.files.numbers import NotANumberError, read_number


@pytest.mark.parametrize(
    ("cell", "decimal", "number"),
    [
        ("12.5", ".", 12.5), ("1,234.50", ".", 1234.5), ("1 234.50", ".", 1234.5), ("1'234", ".", 1234.0), (" 7 ", ".", 7.0),
        ("$1,599.00", ".", 1599.0), ("12.50 EUR", ".", 12.5), ("USD 3", ".", 3.0), ("-4", ".", -4.0), ("1e3", ".", 1000.0),
        ("12,5", ",", 12.5), ("1.234,50", ",", 1234.5), ("1\u202f234,5 €", ",", 1234.5), ("1.234", ",", 1234.0),
        ("US$1,599.00", ".", 1599.0), ("R$ 3,50", ",", 3.5), ("199,00 kr", ",", 199.0), ("12,50 zł", ",", 12.5),
        ("-0,5", ",", -0.5),        ("7", ",", 7.0), (2.5, ",", 2.5), (3, ".", 3.0),
    ],
)  # fmt: skip
def test_numbers_are_read_as_they_are_written(cell, decimal, number):
    assert read_number(cell, decimal=decimal) == number


@pytest.mark.parametrize(
    ("cell", "decimal"), [("12,5", "."), ("12.5", ","), ("much", "."), ("", "."), ("1.2.3", "."), (None, ".")]
)
def test_what_is_no_number_is_refused(cell, decimal):
    with pytest.raises(NotANumberError, match="expected a number"):
        read_number(cell, decimal=decimal)
