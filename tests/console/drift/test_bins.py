"""Bins are named as people would: a value that stands alone by itself, others by where they begin and end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_console.drift.bins import label_bins
from presage_export.drift import Layout
from presage_export.drift.layout import choose_edges


def test_whole_numbers_side_by_side_have_a_bin_each():
    edges = choose_edges(np.array([0, 1, 2, 3], np.float32), default=0.0)
    assert label_bins(edges) == ["missing", "below 0", "0", "1", "2", "3", "above 3"]


def test_whole_numbers_apart_have_their_own_bins_and_what_lies_between():
    edges = choose_edges(np.array([0, 7, 30], np.float32), default=7.0)
    assert label_bins(edges) == ["missing", "below 0", "0", "1 to 6", "7", "8 to 29", "30", "above 30"]


def test_amounts_have_ranges_with_zero_apart():
    values = np.concatenate([np.zeros(50), np.linspace(0.5, 2_500.2, 1_000)]).astype(np.float32)
    labels = label_bins(choose_edges(values, default=0.0))
    assert labels[:4] == ["missing", "below 0", "0", "0 to 0.5"]
    assert labels[4].startswith("0.5 to 2")
    assert labels[-1] == "above 2,500"


@pytest.mark.parametrize(
    ("edges", "labels"),
    [([-np.inf], ["missing", "any"]), ([-np.inf, 5.0], ["missing", "below 5", "5 or more"])],
)
def test_columns_of_few_edges(edges, labels):
    assert label_bins(np.array(edges, np.float32)) == labels


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60))
def test_every_bin_has_a_name(values):
    edges = choose_edges(np.array(values, np.float32), default=None)
    labels = label_bins(edges)
    assert len(labels) == Layout.of([edges]).bins
    assert all(labels)
