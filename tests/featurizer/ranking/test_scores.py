"""Scores by the tables, beside a slow way to compute the same."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presage_featurizer import EventType
from presage_featurizer.ranking import similar_sessions
from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.ranking.scores import TABLES
from tests.support.small_shops import a_visitor, small_shop

KINDS = st.sampled_from([EventType.VIEW_ITEM, EventType.ADD_TO_CART, EventType.PURCHASE])
STEPS = st.lists(st.tuples(st.integers(0, 45), KINDS), max_size=30)
SHOPS = [small_shop(seed) for seed in range(3)]


def last_items(context) -> list[tuple[int, float]]:
    """Rows of the session's items, or else of those bought last, with their weights."""
    interests = context.interests
    if len(interests.session):
        return [(int(row), 0.8**place) for place, row in enumerate(interests.session)]
    return [(int(row), 1.0) for row in interests.last_basket]


def slow_scores(context, name: str) -> dict[int, float]:
    tables, interests = context.tables, context.interests
    table_row = {int(row): place for place, row in enumerate(tables.columns_of) if row != UNKNOWN}
    scores: dict[int, float] = defaultdict(float)
    if name == "similar_sessions":
        near = last_items(context)[:5]
        sessions = tables.sessions
        members = [sessions.items[a:b].tolist() for a, b in zip(sessions.starts, sessions.starts[1:], strict=False)]
        similar = []
        for place, items in enumerate(members):
            shared = sum(weight for row, weight in near if row in table_row and table_row[row] in items)
            if shared > 0.0:
                similar.append((shared, place))
        for shared, place in sorted(similar, key=lambda found: (-round(found[0], 9), -found[1]))[:100]:
            for row in members[place]:
                if tables.columns_of[row] != UNKNOWN:
                    scores[int(tables.columns_of[row])] += shared
        return scores
    if name == "liked_together":
        near = [
            (int(row), min(score, 20.0) / 20.0) for row, score in zip(interests.history, interests.scores, strict=True)
        ]
    else:
        near = last_items(context)
        near = near[:5] if name == "followed_by" else near
    table = tables.neighbours[name]
    for row, weight in near:
        if row in table_row:
            for other, nearness in zip(table.rows[table_row[row]], table.weights[table_row[row]], strict=True):
                if other != UNKNOWN and tables.columns_of[other] != UNKNOWN:
                    scores[int(tables.columns_of[other])] += float(nearness) * weight
    return scores


@pytest.mark.parametrize("idle_minutes", [0, 60], ids=["in a session", "without a session"])
@given(steps=STEPS, shop=st.sampled_from(SHOPS))
@settings(deadline=None, max_examples=60)
def test_it_agrees_with_a_slow_way(steps, shop, idle_minutes):
    state = a_visitor(steps, every_seconds=60 + 60 * idle_minutes)
    context = shop.context(state)
    rows = np.arange(len(shop.columns))
    for name, scores in zip(TABLES, context.scores.of(rows), strict=True):
        expected = slow_scores(context, name)
        np.testing.assert_allclose(scores, [expected.get(row, 0.0) for row in rows.tolist()], rtol=1e-6)
        found, sums = context.scores.found_by(name)
        assert len(set(found.tolist())) == len(found)
        assert dict(zip(found.tolist(), sums.tolist(), strict=True)) == pytest.approx(
            {row: score for row, score in expected.items() if score > 0.0}, rel=1e-6
        )


@given(steps=STEPS, order=st.permutations(range(20)), others=st.integers(1, 20))
@settings(deadline=None, max_examples=60)
def test_neither_the_order_nor_other_candidates_change_a_bit(steps, order, others):
    shop, state = SHOPS[0], a_visitor(steps)
    alone = {
        row: scores for row in range(20) for scores in [[s[0] for s in shop.context(state).scores.of(np.array([row]))]]
    }
    rows = np.array(order[:others])
    together = np.stack(shop.context(state).scores.of(rows), axis=1)
    for row, scores in zip(rows.tolist(), together.tolist(), strict=True):
        assert scores == alone[row]


def test_the_place_counts_the_items_that_are_nearer():
    shop = SHOPS[0]
    context = shop.context(a_visitor([(1, EventType.PURCHASE), (5, EventType.VIEW_ITEM)]))
    _, sums = context.scores.found_by("liked_together")
    best = np.sort(sums)[::-1]
    assert context.scores.ranks("liked_together", best).tolist() == [
        float(np.count_nonzero(best > score)) for score in best
    ]


def test_few_items_of_similar_sessions_are_read_and_those_of_the_most_similar_ones_first(monkeypatch):
    shop = SHOPS[0]
    context = shop.context(a_visitor([(number, EventType.VIEW_ITEM) for number in range(12)]))
    last = shop.tables.table_rows_of.take(context.interests.session[:5])
    args = (shop.tables.sessions, last, context.workspace)
    rows, weights = similar_sessions.items_of_similar_sessions(*args, fade=True)
    assert np.all(np.diff(weights) <= 0.0)
    monkeypatch.setattr(similar_sessions, "_MAX_ITEMS", len(rows) - 1)
    fewer, _ = similar_sessions.items_of_similar_sessions(*args, fade=True)
    assert 0 < len(fewer) < len(rows)
    assert fewer.tolist() == rows[: len(fewer)].tolist()


def test_empty_tables_find_nothing():
    shop = small_shop(items=0, sessions=0)
    context = shop.context(a_visitor([(1, EventType.VIEW_ITEM)]))
    for name in TABLES:
        assert len(context.scores.found_by(name)[0]) == 0
    assert [scores.tolist() for scores in context.scores.of(np.zeros(0, np.int64))] == [[]] * 4
