"""Candidates: from which sources, how many, and each once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presage_featurizer import MICROS, VISITOR, Event, EventType, Item
from presage_featurizer.ranking.assembling import Circumstances, context_of
from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.ranking.retrieval import (
    SOURCES,
    RetrievalLimits,
    best_rows,
    next_items,
    retrieve,
    similar_items,
)
from presage_featurizer.ranking.workspace import Workspace
from tests.support.small_shops import NOW, a_visitor, small_shop

SHOP = small_shop(items=80)
KINDS = st.sampled_from([EventType.VIEW_ITEM, EventType.ADD_TO_CART, EventType.PURCHASE])
STEPS = st.lists(st.tuples(st.integers(0, 85), KINDS), max_size=30)
LIMITS = RetrievalLimits()


def parts_of(context, limits) -> dict[str, list[int]]:
    """Return what each source finds, without any that another one found."""
    interests, features = context.interests, context.item_features
    parts = {"history": interests.history.tolist(), "session": interests.session.tolist()}
    for name in ("viewed_together", "followed_by", "liked_together", "similar_sessions"):
        rows, scores = context.scores.found_by(name)
        digests = context.items.digests
        pairs = sorted(
            zip(rows.tolist(), scores.tolist(), strict=True), key=lambda pair: (-pair[1], int(digests[pair[0]]))
        )
        parts[name] = [row for row, _ in pairs[: getattr(limits, name)]]
    parts["category"], parts["price"] = [], []
    if len(interests.session) and interests.session[0] != UNKNOWN:
        newest = int(interests.session[0])
        category, brand = int(context.items.categories[newest]), int(context.items.brands[newest])
        alike = features.orders.popular(category, brand)[: limits.category].tolist() if brand else []
        parts["category"] = alike + features.orders.popular(category)[: limits.category].tolist()
        parts["price"] = features.orders.near_price(category, context.items.prices[newest], limits.price).tolist()
    is_new = not len(context.interests.digests)
    in_country = features.by_country.of(context.country)[: limits.popular_in_country].tolist() if is_new else []
    others = [row for row in features.popular[: limits.popular].tolist() if row not in in_country]
    count = min(20, limits.popular) if in_country else limits.popular
    parts["popular_in_country"] = in_country
    parts["popular"] = others[: max(0, count - len(in_country))]
    return parts


@given(steps=STEPS, limit=st.integers(1, 50), in_country=st.integers(0, 50), country=st.sampled_from(["", "DE", "XX"]))
@settings(deadline=None, max_examples=60)
def test_each_candidate_comes_once_from_the_first_source_that_found_it(steps, limit, in_country, country):
    limits = RetrievalLimits(
        viewed_together=limit,
        followed_by=limit,
        liked_together=limit,
        similar_sessions=limit,
        category=limit,
        popular=limit,
        popular_in_country=in_country,
    )
    context = SHOP.context(a_visitor([(number % 80, kind) for number, kind in steps]), country=country)
    expected: dict[int, str] = {}
    for name, rows in parts_of(context, limits).items():
        for row in rows:
            expected.setdefault(row, name)
    found = retrieve(context, limits)
    assert found.rows.tolist() == list(expected)
    assert [SOURCES[source] for source in found.sources] == list(expected.values())


@given(steps=STEPS)
@settings(deadline=None, max_examples=40)
def test_next_items_go_by_the_session_and_leave_out_its_newest_item(steps):
    context = SHOP.context(a_visitor(steps))
    found = next_items(context, LIMITS)
    session = context.interests.session.tolist()
    assert len(set(found.rows.tolist())) == len(found.rows)
    assert UNKNOWN not in found.rows
    assert not session or session[0] not in found.rows
    assert set(session[1:]) - {UNKNOWN, *session[:1]} <= set(found.rows.tolist())
    assert not {SOURCES[source] for source in found.sources} & {"history", "liked_together", "popular"}


def test_a_new_visitor_gets_what_is_popular():
    found = retrieve(SHOP.context(None), LIMITS)
    assert found.rows.tolist() == SHOP.features.popular[:40].tolist()
    assert {SOURCES[source] for source in found.sources} == {"popular"}
    assert len(next_items(SHOP.context(None), LIMITS).rows) == 0


def test_a_new_visitor_gets_what_is_popular_in_the_country_and_then_elsewhere():
    lists = {}
    for country in ("DE", "FR"):
        found = retrieve(SHOP.context(None, country=country), LIMITS, 35)
        in_country = found.rows[found.sources == SOURCES.index("popular_in_country")]
        assert in_country.tolist() == found.rows[: len(in_country)].tolist()
        assert in_country.tolist() == SHOP.features.by_country.of(country)[:40].tolist()
        assert {SOURCES[source] for source in found.sources[len(in_country) :]} == {"popular"}
        assert len(found.rows) == 35 > len(in_country) > 5
        enough = retrieve(SHOP.context(None, country=country), LIMITS, len(in_country))
        assert enough.rows.tolist() == in_country.tolist()
        lists[country] = set(in_country.tolist())
    assert not lists["DE"] & lists["FR"]


@pytest.mark.parametrize(("steps", "country"), [([], "XX"), ([(1, EventType.VIEW_ITEM)], "DE")])
def test_a_country_without_counts_and_that_of_a_visitor_with_items_change_nothing(steps, country):
    anywhere = retrieve(SHOP.context(a_visitor(steps)), LIMITS)
    found = retrieve(SHOP.context(a_visitor(steps), country=country), LIMITS, 1)
    assert (found.rows.tolist(), found.sources.tolist()) == (anywhere.rows.tolist(), anywhere.sources.tolist())


def test_the_country_is_that_of_the_call_or_else_the_visitors():
    def country_of(state, country=""):
        return context_of(state, Circumstances(NOW, country=country), SHOP.features, SHOP.tables, Workspace()).country

    known = a_visitor([(1, EventType.VIEW_ITEM)], country="DE")
    assert [country_of(None), country_of(known), country_of(known, "FR"), country_of(None, "FR")] == [
        "",
        "DE",
        "FR",
        "FR",
    ]


def test_sources_keep_the_places_that_bundles_were_written_with():
    assert SOURCES == (
        "history",
        "session",
        "viewed_together",
        "followed_by",
        "liked_together",
        "similar_sessions",
        "category",
        "price",
        "popular",
        "popular_in_country",
    )


def test_items_too_new_for_a_row_are_no_candidates_but_say_what_is_alike():
    new = Item("brand-new", "category-2", "", 5 * MICROS)
    state = VISITOR.fold(None, Event("e", EventType.VIEW_ITEM, "v", NOW - MICROS, items=(new,)))
    found = retrieve(SHOP.context(state), LIMITS)
    alike = found.rows[found.sources == SOURCES.index("category")]
    code = SHOP.columns.category_code("category-2")
    assert len(alike) > 0
    assert set(SHOP.columns.categories[alike].tolist()) == {code}
    assert UNKNOWN not in found.rows


@given(
    scores=st.lists(st.sampled_from([0.5, 1.0, 1.5]), max_size=40),
    limit=st.integers(0, 45),
)
def test_the_best_rows_are_those_of_a_whole_sort(scores, limit):
    rows = np.arange(len(scores))[::-1].copy()
    digests = SHOP.columns.digests
    found = best_rows(rows, np.array(scores), digests, limit)
    expected = sorted(zip(rows.tolist(), scores, strict=True), key=lambda pair: (-pair[1], int(digests[pair[0]])))
    assert found.tolist() == [row for row, _ in expected[:limit]]


@pytest.mark.parametrize("number", range(0, 80, 7))
def test_similar_items_by_a_slow_way(number):
    row = SHOP.row(number)
    found = similar_items(row, SHOP.features, SHOP.tables, LIMITS, Workspace())
    columns, tables = SHOP.columns, SHOP.tables
    expected: dict[int, float] = {}
    table_row = tables.table_rows_of[row]
    if table_row != UNKNOWN:
        for table in tables.neighbours.values():
            known = {
                int(tables.columns_of[other]): float(weight)
                for other, weight in zip(table.rows[table_row], table.weights[table_row], strict=True)
                if other != UNKNOWN and tables.columns_of[other] != UNKNOWN and weight > 0.0
            }
            for other, weight in known.items():
                expected[other] = expected.get(other, 0.0) + weight / max(table.weights[table_row])
    category, price = int(columns.categories[row]), float(columns.prices[row])
    for other in (
        SHOP.features.orders.popular(category)[:30].tolist()
        + SHOP.features.orders.near_price(category, price, 15).tolist()
    ):
        expected.setdefault(other, 0.0)
    expected.pop(row, None)
    for other in expected:
        expected[other] += 0.5 * (category > 0 and columns.categories[other] == category)
        expected[other] += 0.25 * (columns.brands[row] > 0 and columns.brands[other] == columns.brands[row])
        both = sorted([price, float(columns.prices[other])])
        expected[other] += 0.25 * both[0] / both[1] if both[0] > 0.0 else 0.0
    assert dict(zip(found.rows.tolist(), found.scores.tolist(), strict=True)) == pytest.approx(expected, rel=1e-6)
    assert np.all(np.diff(found.scores) <= 0.0)
    assert len(found.sources) == len(found.rows)
