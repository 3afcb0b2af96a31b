"""Bins: the quick count is the plain one, and what is special has a bin of its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from presage_export.drift.layout import Layout, choose_edges
from presage_export.drift.row_counter import RowCounter

VALUES = st.one_of(
    st.floats(width=32, allow_nan=True, allow_infinity=True), st.sampled_from([0.0, -0.0, 1.0, 7.0, 8.0, float("nan")])
)


@given(st.integers(1, 300).flatmap(lambda rows: arrays(np.float32, (rows, 3), elements=VALUES)))
def test_the_quick_count_is_the_plain_one(rows):
    trained = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    trained[:, 1] = np.arange(500) % 9
    layout = Layout.of([choose_edges(trained[:, column], default=7.0) for column in range(3)])
    plain = np.bincount(layout.bins_of_values(rows).ravel(), minlength=layout.bins)
    counter = RowCounter(layout, max_rows=300)
    counter.count(np.full((3, 300), 7.0, np.float32))  # leaves nothing behind
    assert counter.count(np.ascontiguousarray(rows.T)).tolist() == plain.tolist()


def test_many_rows_do_not_overflow_the_counters():
    layout = Layout.of([choose_edges(np.zeros(1, np.float32), default=None)])
    counter = RowCounter(layout, max_rows=2_040)
    assert counter.count(np.zeros((1, 2_040), np.float32))[layout.bin_at(0, 0.0)] == 2_040
    with pytest.raises(ValueError, match="max_rows: expected 1 to 2040, got 2041"):
        RowCounter(layout, max_rows=2_041)


def test_zero_the_default_missing_and_new_values_have_bins_of_their_own():
    layout = Layout.of([choose_edges(np.random.default_rng(1).exponential(5.0, 1_000).astype(np.float32), default=3.0)])
    seen = np.array([[np.nan], [0.0], [3.0], [3.0000002], [1e-30], [1e9]], np.float32)
    places = layout.bins_of_values(seen)[:, 0].tolist()
    assert places[:3] == [0, layout.bin_at(0, 0.0), layout.bin_at(0, 3.0)]
    assert places[3] != places[2]
    assert places[4] != places[1]
    assert places[5] == layout.bins - 1


def test_few_values_have_a_bin_each_and_a_new_one_among_them_too():
    layout = Layout.of([choose_edges(np.array([1, 2, 4, 4], np.float32), default=0.0)])
    assert len(set(layout.bins_of_values(np.array([[1], [2], [3], [4], [5]], np.float32))[:, 0].tolist())) == 5


@pytest.mark.parametrize(
    ("edges", "starts", "reason"),
    [
        ([-np.inf, 1, 1], [0, 3], "edges: expected rising"),
        ([0, 1], [0, 2], "the first minus infinity"),
        ([-np.inf, 1], [0, 1], "starts: expected rising numbers"),
        ([-np.inf], [0, 0, 1], "starts: expected 1 to"),
    ],
)
def test_a_layout_that_makes_no_sense_is_rejected(edges, starts, reason):
    with pytest.raises(ValueError, match=reason):
        Layout(np.array(edges, np.float32), np.array(starts, np.int64))
