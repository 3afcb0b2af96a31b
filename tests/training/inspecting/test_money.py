from __future__ import annotations

import pytest

from presage_training.inspecting import propose, read_sample

TIME = "2026-01-05T10:00:00Z"


@pytest.fixture
def proposal(tmp_path):
    """Return a function from the lines of a log to the proposal for it."""

    def of(*lines: str):
        (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
        return propose(read_sample(tmp_path / "log.csv", rows=1_000))

    return of


def orders(*totals):
    """Four orders of two lines each; the total of an order is on each line, or where ``totals`` say."""
    first, second = totals
    return [
        line
        for number in range(4)
        for line in (
            f"u{number},o{number},lamp,{number}.5,{TIME},{first.format(number + 10)}",
            f"u{number},o{number},rug,8,{TIME},{second.format(number + 10)}",
        )
    ]


def test_a_total_on_every_line_of_an_order_is_not_its_value(proposal):
    found = proposal("user,order_id,sku,price,time,order_total", *orders("{}", "{}"))

    assert found.columns["price"] == "price"
    assert "value" not in found.columns
    assert found.remarks[-1] == (
        "'order_total' is the total of an order, repeated on each of its lines, and is not read as the value: "
        "the price in 'price' is read"
    )


def test_neither_is_a_total_on_one_line(proposal):
    found = proposal("user,order_id,sku,price,time,order_total", *orders("{}", ""))

    assert "value" not in found.columns
    assert "'order_total' is the total of an order, on one of its lines, and" in found.remarks[-1]


def test_without_a_price_a_total_on_one_line_is_the_value(proposal):
    found = proposal("user,order_id,sku,weight,time,order_total", *orders("{}", ""))

    assert found.columns["value"] == "order_total"


def test_without_a_price_a_total_on_every_line_is_left_out(proposal):
    found = proposal("user,order_id,sku,weight,time,order_total", *orders("{}", "{}"))

    assert not {"price", "value"} & found.columns.keys()
    assert found.remarks[-1].endswith("no column has the price of a line")


def test_the_values_of_lines_stay(proposal):
    found = proposal("user,order_id,sku,price,time,line_total", *orders("{}", "9"))

    assert found.columns["value"] == "line_total"


def test_an_order_of_one_line_says_nothing_of_lines(proposal):
    lines = [f"u{number},o{number},lamp,3,{TIME},{number}" for number in range(9)]

    assert proposal("user,order_id,sku,price,time,order_total", *lines).columns["value"] == "order_total"


def test_a_refund_is_no_line_of_its_order(proposal):
    lines = [
        line
        for number in range(5)
        for line in (f"u{number},buy,o{number},lamp,3,{TIME},{number}", f"u{number},refund,o{number},,,{TIME},")
    ]

    assert proposal("user,event,order_id,sku,price,time,order_total", *lines).columns["value"] == "order_total"


def test_an_order_that_was_sent_twice_keeps_its_value(proposal):
    lines = [f"u{number},o{number},lamp,3,{TIME},{number}" for number in range(5) for _ in range(2)]

    assert proposal("user,order_id,sku,price,time,order_total", *lines).columns["value"] == "order_total"
