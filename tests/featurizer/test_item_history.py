"""Items of sessions and of visitors, beside a slow model without bounds on precision or space."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings

from presage_featurizer import MICROS, EventType
from presage_featurizer.digests import WIDTH, product_digest
from presage_featurizer.habits import EVENT_WEIGHTS
from presage_featurizer.item_history import (
    HISTORY_HALF_LIFE_MICROS,
    growth_factor,
    history_of_interests,
    history_scores,
    history_times,
    newest_session_items,
    session_items,
)
from presage_featurizer.state import MAX_HISTORY_ITEMS, MAX_SESSION_ITEMS, Interest
from support.events import SHOE, SOCK, any_log, at, event, fold_all, item

LANDMARK = 2_524_608_000 * MICROS


def scores_of(state):
    digests = state.items.digests
    names = [digests[place : place + WIDTH] for place in range(0, len(digests), WIDTH)]
    return dict(zip(names, history_scores(state.items), strict=True))


def session_of(state, session_id=""):
    (session,) = [session for session in state.sessions if session.session_id == session_id]
    return [
        (group.digests[place : place + WIDTH], group.kind, group.unix_seconds)
        for group in session_items(session.items)
        for place in range(0, len(group.digests), WIDTH)
    ]


def test_the_growth_doubles_with_each_half_life():
    assert growth_factor(LANDMARK) == 1.0
    for doublings in (-400, -1, 1, 300):
        assert growth_factor(LANDMARK + doublings * HISTORY_HALF_LIFE_MICROS) == math.ldexp(1.0, doublings)
    assert growth_factor(2**62) == growth_factor(2**61) > 0.0
    assert growth_factor(0) > 0.0


def test_growth_never_falls_with_time():
    moments = range(0, 2**53, 2**53 // 10_007)
    factors = [growth_factor(moment) for moment in moments]
    assert factors == sorted(factors)


def test_weights_add_up_and_later_ones_weigh_more():
    views = [event(EventType.VIEW_ITEM, 0, item("a")), event(EventType.PURCHASE, 60, item("a"), item("b"))]
    state = fold_all(views)
    expected = {
        product_digest("a"): 2 * growth_factor(at(0)) + 10 * growth_factor(at(60)),
        product_digest("b"): 10 * growth_factor(at(60)),
    }
    assert scores_of(state) == pytest.approx(expected, rel=2e-6)
    assert state.items.counts == bytes((1, 1, 1, 0))
    assert all(0 <= at(60) // MICROS - time < 256 for time in history_times(state.items))


def test_a_score_never_falls_below_zero():
    state = fold_all([event(EventType.VIEW_ITEM, 0, item("a")), event(EventType.REMOVE_FROM_CART, 1, item("a"))])
    assert scores_of(state) == {
        product_digest("a"): pytest.approx(2 * growth_factor(at(0)) - 2 * growth_factor(at(1)), abs=1e-30)
    }
    again = fold_all(
        [event(EventType.VIEW_ITEM, 0, item("a")), *[event(EventType.GROUP_LEAVE, 1 + n, item("a")) for n in range(3)]]
    )
    assert scores_of(again) == {product_digest("a"): 0.0}


def test_an_item_that_was_only_removed_is_not_kept():
    assert not fold_all([event(EventType.REMOVE_FROM_CART, 0, item("a"))]).items.digests


def test_the_item_with_the_lowest_score_makes_room():
    bought = [event(EventType.PURCHASE, n, item(f"bought-{n}")) for n in range(MAX_HISTORY_ITEMS - 1)]
    state = fold_all(
        [*bought, event(EventType.VIEW_ITEM, 100, item("seen")), event(EventType.PURCHASE, 200, item("new"))]
    )
    kept = set(scores_of(state))
    assert len(kept) == MAX_HISTORY_ITEMS
    assert product_digest("seen") not in kept
    assert {product_digest("new"), product_digest("bought-0")} <= kept


def test_a_session_has_its_last_items_in_order_with_repeats():
    views = [event(EventType.VIEW_ITEM, n, item(f"i-{n % 7}")) for n in range(30)]
    expected = [(product_digest(f"i-{n % 7}"), 2, at(n) // MICROS) for n in range(10, 30)]
    assert session_of(fold_all(views)) == expected


def test_a_late_event_comes_before_later_ones():
    state = fold_all(
        [event(EventType.VIEW_ITEM, minute, item(name)) for minute, name in ((0, "a"), (5, "c"), (3, "b"))]
    )
    assert [digest for digest, _, _ in session_of(state)] == [product_digest(name) for name in "abc"]


def test_of_a_large_order_the_last_items_are_kept_and_events_of_one_second_share_their_time():
    order = event(EventType.PURCHASE, 0, *[item(f"p-{n}") for n in range(50)])
    state = fold_all([order])
    (group,) = session_items(state.sessions[0].items)
    assert len(group.digests) == MAX_SESSION_ITEMS * WIDTH
    assert session_of(state)[-1][0] == product_digest("p-49")
    lines = [event(EventType.ADD_TO_CART, 0, item(f"p-{n}"), event_id=f"e-{n}") for n in range(3)]
    assert len(session_items(fold_all(lines).sessions[0].items)) == 1


def test_counts_stop_at_255():
    state = fold_all([event(EventType.VIEW_ITEM, n / 60, item("a")) for n in range(300)])
    assert state.items.counts == bytes((0, 255))


def test_interests_of_older_states_become_a_history():
    interests = {b"12345678": Interest(4.0, at(0), 300), b"abcdefgh": Interest(0.0, at(1), 1)}
    history = history_of_interests(interests)
    assert (history.digests, history.counts) == (b"12345678", bytes((0, 255)))
    assert history_scores(history)[0] / growth_factor(at(0)) == pytest.approx(4.0, rel=1e-6)


@settings(deadline=None)
@given(any_log(max_events=12))
def test_it_agrees_with_a_slow_model(log):
    totals: dict[bytes, float] = {}
    seen: set[str] = set()
    for each in log:
        if each.event_id in seen:
            continue
        seen.add(each.event_id)
        weight = EVENT_WEIGHTS.get(each.type, 0.0)
        if each.type == EventType.REFUND or not weight:
            continue
        for one in each.items[:MAX_HISTORY_ITEMS]:
            key = product_digest(one.item_id)
            if key in totals or weight > 0.0:
                totals[key] = max(0.0, totals.get(key, 0.0) + weight * growth_factor(each.event_time_unix_micros))
    found = scores_of(fold_all(log))
    largest = max(totals.values(), default=0.0)
    assert len(totals) > MAX_HISTORY_ITEMS or found == pytest.approx(totals, rel=1e-4, abs=1e-4 * largest)


@pytest.mark.parametrize("cut", range(1, 30))
def test_bytes_that_are_no_items_of_a_session_give_what_can_be_read_of_their_end(cut):
    state = fold_all([event(EventType.VIEW_ITEM, minutes, SHOE, SOCK) for minutes in range(3)])
    items = state.sessions[0].items
    whole = newest_session_items(items)
    numbers, times = newest_session_items(items[cut:])
    assert (numbers, times) == (whole[0][: len(numbers)], whole[1][: len(times)])
    assert [group.unix_seconds for group in session_items(items[cut:])] == sorted(set(times))
