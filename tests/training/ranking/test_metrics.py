"""Metrics are those of ir-measures, and intervals those of a bootstrap over visitors."""

from __future__ import annotations

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ir_measures import RR, P, R, Success, nDCG

from presage_training.ranking.metrics import RANKING_METRICS, RankingDraws, list_metrics

MEASURES = [nDCG @ 10, P @ 10, R @ 10, Success @ 10, Success @ 20, RR @ 20]


@given(hits=st.lists(st.booleans(), max_size=30), missed=st.integers(0, 30))
def test_they_are_those_of_ir_measures(hits, missed):
    """On lists without ties: libraries disagree on those."""
    count = sum(hits) + missed
    if not count:
        return
    qrels = [ir_measures.Qrel("q", str(place), int(hit)) for place, hit in enumerate(hits)]
    qrels += [ir_measures.Qrel("q", f"missed {place}", 1) for place in range(missed)]
    run = [ir_measures.ScoredDoc("q", str(place), -float(place)) for place in range(len(hits))]
    expected = dict.fromkeys(MEASURES, 0.0) | {
        found.measure: found.value for found in ir_measures.iter_calc(MEASURES, qrels, run)
    }

    found = list_metrics(np.array(hits, np.bool_), count)

    assert len(found) == len(RANKING_METRICS)
    np.testing.assert_allclose(found, [expected[measure] for measure in MEASURES], rtol=0, atol=1e-12)


@given(hits=st.lists(st.booleans(), min_size=1, max_size=30))
def test_a_better_list_is_never_worse(hits):
    best = np.array(sorted(hits, reverse=True), np.bool_)
    count = max(1, sum(hits))

    assert (list_metrics(best, count) >= list_metrics(np.array(hits, np.bool_), count) - 1e-12).all()


def test_what_was_not_found_counts_as_nothing():
    assert list_metrics(np.zeros(20, np.bool_), 3).tolist() == [0.0] * 6
    assert list_metrics(np.zeros(0, np.bool_), 1).tolist() == [0.0] * 6


def test_draws_are_of_visitors():
    """Queries of one visitor come and go together: with a single visitor there is nothing to vary."""
    values = np.random.default_rng(1).random((50, 6))
    alone = RankingDraws(np.zeros(50, np.int64), seed=1, draws=50).measure(values).metrics()
    many = RankingDraws(np.arange(50), seed=1, draws=200).measure(values).metrics()

    for place, name in enumerate(RANKING_METRICS):
        assert alone[name].low == pytest.approx(alone[name].high) == pytest.approx(values[:, place].mean())
        assert many[name].low < many[name].value < many[name].high


def test_visitors_weigh_as_many_queries_as_they_have():
    values = np.array([[1.0] * 6] * 9 + [[0.0] * 6])
    measured = RankingDraws(np.array([5] * 9 + [7]), seed=1, draws=10).measure(values).metrics()

    assert measured["ndcg_at_10"].value == pytest.approx(0.9)


def test_differences_are_taken_draw_by_draw():
    random = np.random.default_rng(2)
    values = random.random((80, 6))
    drawn = RankingDraws(random.integers(20, size=80), seed=3, draws=100)

    lead = drawn.measure(values + 0.1).difference(drawn.measure(values), "ndcg_at_10")

    assert (lead.low, lead.value, lead.high) == pytest.approx((0.1, 0.1, 0.1))
