from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from benchmarks.charts.svg import Axis, Line, Panel, axis_over, chart, spread_out

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*lines, x=None, y=None):
    panel = Panel(title="panel", x=x or axis_over("x", [10.0]), y=y or axis_over("y", [10.0]), lines=lines)
    return ET.fromstring(chart("<chart> & more", [panel]))


def corners(root):
    return [
        [tuple(map(float, corner.split(","))) for corner in line.get("points").split()]
        for line in root.iter(f"{SVG}polyline")
    ]


def line(*points, name="line", **options):
    return Line(name=name, points=points, color="#123456", **options)


@pytest.mark.parametrize(
    ("axis", "ticks"),
    [
        (Axis(label="", low=0, high=10), [0, 2, 4, 6, 8, 10]),
        (Axis(label="", low=0, high=0.3), [0, 0.1, 0.2, 0.3]),
        (Axis(label="", low=100, high=10_000, log=True), [100, 200, 500, 1_000, 2_000, 5_000, 10_000]),
        (Axis(label="", low=90, high=1e6, log=True), [100, 1_000, 10_000, 100_000, 1e6]),
    ],
)
def test_ticks_are_round_numbers_within(axis, ticks):
    assert axis.ticks() == pytest.approx(ticks)


def test_places_on_a_logarithmic_axis_are_even_in_ratios():
    axis = Axis(label="", low=1, high=10_000, log=True)

    assert [axis.share(value) for value in (1, 10, 100, 10_000)] == pytest.approx([0, 0.25, 0.5, 1])


def test_an_axis_has_room_for_all_values():
    linear, log = axis_over("", [3.0, 9.0]), axis_over("", [0.0, 3.0, 9.0], log=True)

    assert linear.low == 0
    assert linear.high > 9
    assert 0 < log.low < 3
    assert log.high > 9
    assert axis_over("", []).high > 0
    assert axis_over("", [0.0]).high > 0


def test_a_chart_is_svg_with_a_background_and_says_what_it_shows():
    root = drawn(line((1, 1), (2, 4), name="one & two"))

    assert root.get("aria-label") == "<chart> & more"
    background = next(root.iter(f"{SVG}rect"))
    assert background.get("fill") == "#ffffff"
    assert float(background.get("width")) >= float(root.get("width")) - 1
    assert "one & two" in [text.text for text in root.iter(f"{SVG}text")]


def test_more_is_to_the_right_and_further_up():
    ((first, second),) = corners(drawn(line((1, 1), (2, 4))))

    assert second[0] > first[0]
    assert second[1] < first[1]


def test_points_without_a_place_on_a_logarithmic_axis_are_left_out():
    y = axis_over("y", [1.0, 10.0], log=True)
    root = drawn(line((1, 0), (2, float("nan")), (3, 5), (4, 6)), line((1, 0), name="nothing"), y=y)

    assert [len(points) for points in corners(root)] == [2]
    assert "nothing" not in [text.text for text in root.iter(f"{SVG}text")]


def test_marked_points_have_their_words():
    root = drawn(line((1, 1), (2, 2), notes=["1", "16"]))
    texts = [text.text for text in root.iter(f"{SVG}text")]

    assert {"1", "16"} <= set(texts)
    assert len(list(root.iter(f"{SVG}circle"))) == 2 + 1  # the points, and the one beside the name


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ([10, 50], [10, 50]),
        ([10, 12], [10, 20]),
        ([12, 10], [20, 10]),
        ([99, 100], [90, 100]),
        ([0, 0, 0], [0, 10, 20]),
    ],
)
def test_names_are_moved_apart_and_keep_their_order(wanted, places):
    assert spread_out(wanted, apart=10, low=0, high=100) == places
