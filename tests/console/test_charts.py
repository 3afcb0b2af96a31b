from __future__ import annotations

import json
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_console.bars import columns_of, rows_of
from presage_console.charts import Chart, Marker, Series
from presage_console.formats import NO_VALUE

NUMBERS = st.lists(st.floats(-1e9, 1e9) | st.none(), min_size=1, max_size=20)


def chart(values=(1.0, 2.0), **fields):
    fields = {"x": list(range(len(values)))} | fields
    return Chart(title="Calls", x_name="time", series=[Series(name="score", values=values, unit="ms")], **fields)


def test_the_table_has_every_value_with_its_unit():
    made = chart((1.0, None, 1234.5), x_unit="s")
    assert made.header == ["time", "score"]
    assert list(made.rows) == [("0 s", ["1 ms"]), ("1 s", [NO_VALUE]), ("2 s", ["1,234 ms"])]


def test_times_are_shown_in_utc():
    made = chart((1.0,), x=(1_772_460_306,), x_is_time=True)
    assert next(iter(made.rows))[0] == "2026-03-02 14:05:06"


def test_what_the_script_draws_is_json_without_what_json_lacks():
    drawing = json.loads(chart((nan, inf, 1 / 3, None), markers=[Marker(at=1.0, label="1 ms")]).drawing)
    assert drawing["series"][0]["values"] == [None, None, 0.333333, None]
    assert drawing["markers"] == [{"at": 1.0, "label": "1 ms", "axis": "x"}]


def test_a_waterfall_goes_from_its_start_to_the_sum():
    made = chart((0.5, -0.25), x=("cart", "hour"), kind="waterfall", start=-1.0, end_label="score")
    assert list(made.rows) == [
        ("base", ["-1 ms"]),
        ("cart", ["0.5 ms"]),
        ("hour", ["-0.25 ms"]),
        ("score", ["-0.75 ms"]),
    ]
    base, cart, hour, end = rows_of(made)
    assert (base.at, cart.at, cart.length, hour.sign, end.sign) == (0, 0, 100, "minus", "total")
    assert hour.at == end.at == 50
    assert hour.length == 50


def test_a_row_of_nothing_has_no_bar_and_the_smallest_one_can_be_seen():
    lengths = [bar.length for bar in rows_of(chart((100.0, 0.0, -0.001), kind="rows"))]
    assert (lengths[0] > 99, lengths[1], lengths[2] > 0.1) == (True, 0.0, True)


def test_bars_stand_side_by_side_and_no_higher_than_the_drawing():
    made = Chart(
        title="Drift",
        x_name="value",
        x=("0", "1"),
        kind="bars",
        series=[
            Series(name="served", values=(0.2, 0.8), unit="%"),
            Series(name="baseline", values=(None, 0.4), unit="%"),
        ],
        markers=[Marker(at=1, label="here")],
    )
    assert [(bar.label, bar.series, bar.shown) for bar in columns_of(made).bars] == [
        ("0", 1, "20.0 %"),
        ("1", 1, "80.0 %"),
        ("1", 2, "40.0 %"),
    ]
    assert columns_of(made).markers == [(50.0, "here")]
    assert columns_of(made).labels == [(25.0, "0"), (75.0, "1")]


@given(NUMBERS, st.sampled_from(["bars", "rows", "waterfall"]))
def test_no_bar_leaves_the_drawing(values, kind):
    made = chart(values, kind=kind)
    bars = columns_of(made).bars if kind == "bars" else rows_of(made)
    for bar in bars:
        assert -0.01 <= bar.at <= 100.01
        assert 0 <= bar.length <= 100.01
        assert bar.at + bar.length <= 100.5
    if kind == "bars":
        assert all(0 <= at <= 100 for at, _ in columns_of(made).ticks)
        assert 1 <= len(columns_of(made).ticks) <= 11


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "pie"}, "kind: expected one of lines, steps, bars, rows, waterfall, got 'pie'"),
        ({"x": (1,)}, "series 'score': expected 1 values, got 2"),
        ({"x": ("a", "b")}, "x: expected numbers for lines, got texts"),
    ],
)
def test_parts_that_do_not_fit_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        chart(**fields)


def test_a_chart_of_nothing_is_a_chart():
    made = chart((), kind="bars")
    assert (columns_of(made).bars, columns_of(made).labels, list(made.rows)) == ([], [], [])
