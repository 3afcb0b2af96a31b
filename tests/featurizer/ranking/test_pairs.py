"""Features of candidates: what each means, and that nothing but its candidate and the context can change a row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presage_featurizer import MICROS, VISITOR, Event, EventType, Item
from presage_featurizer.ranking.intent import Intent
from presage_featurizer.ranking.item_features import FAR, MAX_COLD
from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.ranking.items_replay import ItemReplay
from presage_featurizer.ranking.pairs import PAIR_FEATURES, pair_features
from tests.support.small_shops import HOUR, NOW, a_visitor, an_item, number_of, small_shop

SHOP = small_shop()
KINDS = st.sampled_from([EventType.VIEW_ITEM, EventType.ADD_TO_CART, EventType.PURCHASE])
STEPS = st.lists(st.tuples(st.integers(0, 45), KINDS), max_size=30)


def features_of(context, rows, positions=None) -> list[dict[str, float]]:
    values = pair_features(np.asarray(rows, np.int64), context, positions)
    return [dict(zip(PAIR_FEATURES, row, strict=True)) for row in values.tolist()]


def digests_of(*names: str):
    return np.array([number_of(name) for name in names], np.uint64)


@given(steps=STEPS, order=st.permutations(range(20)), count=st.integers(0, 20))
@settings(deadline=None, max_examples=80)
def test_neither_the_order_nor_other_candidates_change_a_bit(steps, order, count):
    state = a_visitor(steps)
    names = [f"item-{number}" for number in range(30, 50)]  # the shop does not have the last ten
    expected = {}
    for name in names:
        context = SHOP.context(state, budget=50.0)
        expected[name] = pair_features(context.resolve(digests_of(name)), context)[0].tobytes()
    context = SHOP.context(state, budget=50.0)
    chosen = [names[place] for place in order[:count]]
    values = pair_features(context.resolve(digests_of(*chosen)), context)
    assert values.shape == (count, len(PAIR_FEATURES))
    assert np.isfinite(values).all()
    assert [row.tobytes() for row in values] == [expected[name] for name in chosen]


def test_the_workspace_of_other_visitors_changes_nothing():
    states = [a_visitor([(number, EventType.VIEW_ITEM), (number + 3, EventType.PURCHASE)]) for number in range(8)]
    rows = np.arange(30)
    alone = [pair_features(rows, SHOP.context(state)).tobytes() for state in states]
    workspace = SHOP.context(None).workspace
    for state, expected in zip(states * 2, alone * 2, strict=True):
        context = SHOP.context(state)
        context.workspace = workspace
        context.scores._workspace = workspace
        assert pair_features(rows, context).tobytes() == expected


def test_what_the_visitor_did_with_it():
    state = a_visitor(
        [(3, EventType.PURCHASE), (4, EventType.VIEW_ITEM), (5, EventType.VIEW_ITEM), (4, EventType.VIEW_ITEM)]
    )
    context = SHOP.context(state)
    bought, viewed, other = features_of(context, [SHOP.row(3), SHOP.row(4), SHOP.row(6)])
    assert (bought["own_rank"], bought["own_purchases"], bought["own_events"]) == (0.0, 1.0, 0.0)
    assert (bought["own_order_share"], bought["in_last_basket"], bought["session_rank"]) == (1.0, 1.0, 2.0)
    assert bought["own_score"] == pytest.approx(10.0, rel=1e-3)
    assert (viewed["own_rank"], viewed["own_events"], viewed["session_rank"], viewed["session_count"]) == (1, 2, 0, 2)
    assert viewed["session_minutes"] == pytest.approx(1.0)
    assert (other["own_score"], other["own_rank"], other["own_days"]) == (0.0, -1.0, -1.0)
    assert (other["session_rank"], other["session_count"], other["session_minutes"]) == (-1.0, 0.0, -1.0)
    assert {row["own_items"] for row in (bought, viewed, other)} == {3.0}
    assert {row["orders"] for row in (bought, viewed, other)} == {1.0}


def test_shares_and_affinities():
    # Categories 2, 2, 1 and brands 1, 1, 3: ratings of 5 for the purchase and 1 for each view.
    state = a_visitor([(5, EventType.PURCHASE), (17, EventType.VIEW_ITEM), (19, EventType.VIEW_ITEM)])
    context = SHOP.context(state)
    same, brandless, unknown = features_of(context, [SHOP.row(11), SHOP.row(8), SHOP.row(21)])
    assert same["category_share"] == pytest.approx(2 / 3)
    assert same["category_affinity"] == pytest.approx(6 / 7, rel=1e-3)
    assert same["brand_share"] == pytest.approx(1 / 3)
    assert same["brand_affinity"] == pytest.approx(1 / 7, rel=1e-2)
    assert (brandless["brand_share"], brandless["brand_affinity"]) == (-1.0, -1.0)
    assert (unknown["category_share"], unknown["category_affinity"]) == (0.0, 0.0)
    assert (same["same_category"], same["same_brand"]) == (0.0, 1.0)  # as item 19, the newest


def test_prices_beside_others_and_the_budget():
    state = a_visitor([(3, EventType.VIEW_ITEM), (5, EventType.VIEW_ITEM)])  # 4 and 6
    context = SHOP.context(state, anchor=SHOP.row(7), budget=30.0, cart_value=14.0)  # 8
    (cheap, unpriced) = features_of(context, [SHOP.row(3), SHOP.row(9)])
    assert cheap["price"] == 4.0
    assert cheap["price_to_newest"] == pytest.approx(4 / 6)
    assert cheap["price_to_own"] == pytest.approx(4 / 5)
    assert cheap["price_saving"] == pytest.approx(0.5)
    assert cheap["budget_pressure"] == pytest.approx(4 / 16)
    unknown = [
        unpriced[name] for name in ("price", "price_to_newest", "price_to_own", "price_saving", "budget_pressure")
    ]
    assert unknown == [0.0, -1.0, -1.0, 0.0, -1.0]


@pytest.mark.parametrize(
    ("budget", "cart", "pressure"), [(None, 0.0, -1.0), (5.0, 5.0, FAR), (5.0, 9.0, FAR), (0.0, 0.0, FAR)]
)
def test_a_budget_that_is_unknown_or_spent(budget, cart, pressure):
    context = SHOP.context(None, budget=budget, cart_value=cart)
    assert features_of(context, [SHOP.row(3)])[0]["budget_pressure"] == pressure


def test_without_an_anchor_the_newest_item_stands_for_it():
    context = SHOP.context(a_visitor([(7, EventType.VIEW_ITEM)]))
    assert features_of(context, [SHOP.row(3)])[0]["price_saving"] == pytest.approx(0.5)


def test_rates_are_smoothed_by_those_of_the_category():
    row = SHOP.row(4)
    category = SHOP.columns.categories[row]
    same = [other for other in range(len(SHOP.columns)) if SHOP.columns.categories[other] == category]
    views, carts = SHOP.columns.sums[-1, 0], SHOP.columns.sums[-1, 1]
    prior = carts[same].sum() / views[same].sum()
    (found,) = features_of(SHOP.context(None), [row])
    assert found["cart_rate"] == pytest.approx((carts[row] + 20 * prior) / (views[row] + 20), rel=1e-6)


def test_positions_and_intent_are_the_callers():
    context = SHOP.context(None, intent=Intent.BARGAIN)
    assert [row["position"] for row in features_of(context, [2, 1], np.array([1, 2]))] == [1.0, 2.0]
    assert [(row["position"], row["intent"]) for row in features_of(context, [2])] == [(0.0, 5.0)]


def test_an_unknown_candidate_is_known_by_the_visitors_items_alone():
    time = NOW - 60 * MICROS
    state = VISITOR.fold(None, Event("e", EventType.PURCHASE, "v", time, items=(Item("secret"),)))
    context = SHOP.context(state)
    rows = context.resolve(digests_of("item-3", "secret", "nothing", "secret"))
    assert rows.tolist() == [SHOP.row(3), len(SHOP.columns), len(SHOP.columns) + 1, len(SHOP.columns)]
    assert context.is_cold(rows).tolist() == [False, True, True, True]
    assert context.digests_of(rows).tolist() == digests_of("item-3", "secret", "nothing", "secret").tolist()
    _, secret, nothing = features_of(context, rows[:3])
    assert (secret["own_purchases"], secret["session_rank"], secret["in_last_basket"]) == (1.0, 0.0, 1.0)
    assert (nothing["own_purchases"], nothing["session_rank"]) == (0.0, -1.0)
    for cold in (secret, nothing):
        assert (cold["views"], cold["price"], cold["known_days"], cold["repeat_rate"]) == (0.0, 0.0, 0.0, -1.0)
        assert (cold["popularity_rank"], cold["viewed_together"], cold["liked_together"]) == (FAR, 0.0, 0.0)


def test_ids_have_the_rows_of_their_digests():
    state = VISITOR.fold(None, Event("e", EventType.PURCHASE, "v", NOW - MICROS, items=(Item("secret"),)))
    names = ["item-3", "secret", "item-5", "nothing", "secret"]
    rows, digests = SHOP.context(state).resolve_ids(names)
    assert digests.tolist() == digests_of(*names).tolist()
    assert rows.tolist() == SHOP.context(state).resolve(digests).tolist()
    rows, digests = SHOP.context(state).resolve_ids(["item-5", "item-3"])
    assert (rows.tolist(), digests.tolist()) == ([SHOP.row(5), SHOP.row(3)], digests_of("item-5", "item-3").tolist())


def test_more_unknown_candidates_than_there_is_room_for_are_an_error():
    context = SHOP.context(None)
    names = [f"unknown-{number}" for number in range(MAX_COLD)]
    pair_features(context.resolve(digests_of(*names)), context)
    with pytest.raises(ValueError, match="candidates: expected at most 1,000"):
        context.resolve(digests_of("one-more"))


def test_the_newest_item_is_described_by_the_state_until_it_has_a_row():
    new = Item("brand-new", "category-2", "brand-1", 6 * MICROS)
    state = VISITOR.fold(None, Event("e", EventType.VIEW_ITEM, "v", NOW - MICROS, items=(new,)))
    context = SHOP.context(state)
    assert context.interests.session.tolist() == [UNKNOWN]
    same, other = features_of(context, [SHOP.row(5), SHOP.row(3)])
    assert (same["same_category"], same["category_share"], same["price_to_newest"]) == (1.0, 1.0, 1.0)
    assert (other["same_category"], other["price_saving"]) == (0.0, pytest.approx(1 / 3))


def test_an_older_session_is_not_described_by_the_visitors_newest_event():
    early, late = Item("early", "category-1"), Item("late", "category-2")
    state = None
    for place, (session, item) in enumerate((("a", early), ("b", late))):
        event = Event(f"e{place}", EventType.VIEW_ITEM, "v", NOW - HOUR + place * MICROS, session, items=(item,))
        state = VISITOR.fold(state, event)
    from presage_featurizer import current_session
    from presage_featurizer.ranking.interests import Interests

    for session, described in (("a", False), ("b", True)):
        interests = Interests(state, current_session(state, NOW, session), SHOP.features, NOW)
        assert (interests.codes[0, 0] > 0) is np.bool_(described)


def test_everybody_without_history_is_alike():
    rows = np.arange(len(SHOP.columns))
    assert (
        pair_features(rows, SHOP.context(None)).tobytes() == pair_features(rows, SHOP.context(a_visitor([]))).tobytes()
    )


def test_a_shop_without_items():
    empty = small_shop(items=0, sessions=0)
    context = empty.context(a_visitor([(1, EventType.PURCHASE)]))
    rows = context.resolve(digests_of("item-1", "item-2"))
    assert np.isfinite(pair_features(rows, context)).all()
    assert an_item(1).item_id == "item-1"


def test_items_that_come_later_do_not_take_the_place_of_unknown_candidates():
    shop = small_shop(seed=3)
    context = shop.context(None)
    digests = digests_of("item-1", "unknown", "new", "item-2")
    rows = context.resolve(digests)
    replay = ItemReplay(shop.columns)
    for name in ("other", "new", "another"):
        replay.add(Event("", EventType.VIEW_ITEM, "somebody", NOW + HOUR, items=(Item(name),)), NOW + HOUR)
    before = len(shop.columns)
    replay.close_before(NOW + 2 * HOUR)
    shop.features.refresh()
    assert shop.features.size == len(shop.columns) == before + 3
    assert context.is_cold(rows).tolist() == [False, True, True, False]
    assert context.digests_of(rows).tolist() == digests.tolist()
    assert context.resolve(digests_of("unknown")).tolist() == [rows[1]]


@pytest.mark.parametrize("year", [1970, 1973, 2200])
def test_features_are_finite_whenever_it_is(year):
    state = a_visitor([(3, EventType.PURCHASE), (4, EventType.VIEW_ITEM), (5, EventType.ADD_TO_CART)])
    now = (year - 1970) * 365 * 24 * HOUR + HOUR
    context = SHOP.context(state, now=now, budget=50.0)
    assert np.isfinite(pair_features(context.resolve(digests_of("item-3", "item-4", "unknown")), context)).all()
