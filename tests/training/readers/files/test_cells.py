from __future__ import annotations

import pytest

from presage_training.readers.files.cells import id_text, price_micros, quantity, required_id, text


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (None, ""),
        (float("nan"), ""),
        ("", ""),
        (" 17850 ", "17850"),
        (17850, "17850"),
        (17850.0, "17850"),
        ("17850.0", "17850"),
        ("v1.0", "v1.0"),
        ("0085", "0085"),
    ],
)
def test_ids_are_text(cell, expected):
    assert id_text(cell) == expected


def test_an_id_that_must_be_there_is_named():
    with pytest.raises(ValueError, match="expected a user_id"):
        required_id(None, "a user_id")


@pytest.mark.parametrize(
    ("cell", "expected"), [(None, 0), ("", 0), ("2.55", 2_550_000), (0.1, 100_000), (7, 7_000_000)]
)
def test_prices_are_millionths(cell, expected):
    assert price_micros(cell) == expected


@pytest.mark.parametrize("cell", [-0.01, float("nan"), float("inf"), 1e308, 1.1e9, "dear"])
def test_an_impossible_price_is_refused(cell):
    with pytest.raises(ValueError, match=r"price|number"):
        price_micros(cell)


@pytest.mark.parametrize(("cell", "expected"), [(6, 6), ("6", 6), ("-1", -1), (6.0, 6), (-80_995, -80_995)])
def test_quantities_are_whole(cell, expected):
    assert quantity(cell) == expected


@pytest.mark.parametrize("cell", [None, "", 0, "0", 1.5, float("nan"), float("inf"), 1_000_001, "six"])
def test_an_impossible_quantity_is_refused(cell):
    with pytest.raises(ValueError, match=r"quantity|number"):
        quantity(cell)


@pytest.mark.parametrize(("cell", "expected"), [(None, ""), (float("nan"), ""), ("", ""), (" a ", " a "), (7, "7")])
def test_names_are_kept_as_they_are(cell, expected):
    assert text(cell) == expected
