"""Histograms: what is counted between two readings, and the quantiles that classes tell."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from math import ceil, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_console.live.distribution import Distribution, Quantile

EDGES = (0.0005, 0.001, 0.002, inf)

counts = st.tuples(*[st.integers(0, 50)] * len(EDGES))


def test_buckets_that_count_what_is_below_become_counts_of_each_class():
    made = Distribution.of_buckets({0.001: 8.0, 0.0005: 5.0, inf: 10.0})
    assert made == Distribution((0.0005, 0.001, inf), (5.0, 3.0, 2.0))
    assert made.total == 10.0


def test_buckets_without_an_open_one_have_an_empty_one():
    assert Distribution.of_buckets({0.001: 8.0}) == Distribution((0.001, inf), (8.0, 0.0))


@pytest.mark.parametrize(
    ("edges", "of", "named"),
    [((1.0, 0.5, inf), (0, 0, 0), "edges"), ((1.0,), (0,), "edges"), ((1.0, inf), (0,), "counts")],
)
def test_edges_and_counts_that_do_not_fit_are_rejected(edges, of, named):
    with pytest.raises(ValueError, match=named):
        Distribution(edges, of)


@given(first=counts, more=counts)
def test_what_came_after_a_reading_is_what_was_added(first, more):
    earlier, added = Distribution(EDGES, first), Distribution(EDGES, more)
    assert (earlier + added).since(earlier) == added


@given(first=counts, second=counts)
def test_one_that_was_begun_again_is_new_as_a_whole(first, second):
    earlier, later = Distribution(EDGES, first), Distribution(EDGES, second)
    found = later.since(earlier)
    assert min(found.counts) >= 0
    assert found == later or all(map(int.__ge__, second, first))


def test_other_edges_are_another_histogram():
    one, other = Distribution((1.0, inf), (1.0, 2.0)), Distribution((2.0, inf), (3.0, 4.0))
    assert other.since(one) == other
    assert one + other == other


@given(values=st.lists(st.floats(0.0, 0.004), min_size=1), share=st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_lies_in_the_class_of_the_value_that_it_stands_for(values, share):
    places = [bisect_left(EDGES, value) for value in values]
    made = Distribution(EDGES, tuple(float(places.count(place)) for place in range(len(EDGES))))
    exact = bisect_left(EDGES, sorted(values)[ceil(share * len(values)) - 1])
    found = made.quantile(share)
    if EDGES[exact] == inf:
        assert found == Quantile(EDGES[-2], is_bound=True)
    else:
        assert (0.0, *EDGES)[exact] <= found.value <= EDGES[exact]
        assert not found.is_bound


@given(of=counts)
def test_quantiles_rise(of):
    made = Distribution(EDGES, of)
    found = [made.quantile(share) for share in (0.0, 0.1, 0.5, 0.9, 1.0)]
    if not made.total:
        assert found == [None] * 5
    else:
        assert [one.value for one in found] == sorted(one.value for one in found)


@given(of=counts)
def test_the_share_up_to_an_edge_is_that_of_the_classes_below(of):
    made, below = Distribution(EDGES, of), list(accumulate(of))
    expected = below[1] / below[-1] if below[-1] else None
    assert made.share_up_to(0.001) == expected
    assert made.share_up_to(0.0015) == expected, "the class that it lies in does not count"


def test_without_values_there_is_no_quantile():
    assert Distribution(EDGES, (0, 0, 0, 0)).quantile(0.5) is None
