"""What a session seems to be about, by cases."""

from __future__ import annotations

import pytest

from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer import MICROS, VISITOR, Event, EventType, Item, current_session
from presage_featurizer.ranking.intent import Intent, session_intent
from presage_featurizer.ranking.interests import Interests
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_replay import ItemReplay
from tests.support.small_shops import HOUR, NOW

DAY = 24 * HOUR


def catalogue() -> ItemFeatures:
    """Make ten shoes from 10 to 100, ten hats without a price, and a scarf."""
    columns = ItemColumns()
    replay = ItemReplay(columns)
    items = [Item(f"shoe-{number}", "shoes", "", number * 10 * MICROS) for number in range(1, 11)]
    items += [Item(f"hat-{number}", "hats") for number in range(10)]
    replay.add(Event("e", EventType.VIEW_ITEM, "u", NOW - DAY, items=(*items, Item("scarf"))), NOW - DAY)
    replay.close_before(NOW)
    return ItemFeatures(columns)


FEATURES = catalogue()
VIEW, CART = EventType.VIEW_ITEM, EventType.ADD_TO_CART


def intent_of(*steps: tuple[EventType, str], earlier: tuple[tuple[EventType, str], ...] = ()) -> Intent:
    state = None
    times = [NOW - DAY + place * MICROS for place in range(len(earlier))]
    times += [NOW - (len(steps) - place) * MICROS for place in range(len(steps))]
    for place, ((kind, item_id), time) in enumerate(zip([*earlier, *steps], times, strict=True)):
        items = (Item(item_id),) if item_id else ()
        state = VISITOR.fold(state, Event(f"e{place}", kind, "v", time, items=items))
    session = None if state is None else current_session(state, NOW, "")
    return session_intent(session, Interests(state, session, FEATURES, NOW), FEATURES)


def test_the_numbers_and_names_are_those_of_the_contract():
    assert {f"INTENT_{intent.name}": intent.value for intent in Intent} == dict(pb.Intent.items())


@pytest.mark.parametrize(
    ("expected", "steps"),
    [
        (Intent.UNSPECIFIED, []),
        (Intent.BROWSING, [(EventType.PAGE_VIEW, "")]),
        (Intent.BROWSING, [(VIEW, "hat-1"), (VIEW, "shoe-9")]),
        (Intent.TRANSACTIONAL, [(VIEW, "hat-1"), (CART, "hat-1")]),
        (Intent.TRANSACTIONAL, [(EventType.VIEW_CART, ""), (VIEW, "hat-1")]),
        (Intent.TRANSACTIONAL, [(VIEW, "hat-1"), (EventType.BEGIN_CHECKOUT, "")]),
        (Intent.TRANSACTIONAL, [(EventType.ADD_PAYMENT_INFO, ""), (EventType.PAGE_VIEW, "")]),
        (Intent.BROWSING, [(EventType.BEGIN_CHECKOUT, ""), (EventType.PURCHASE, "hat-1")]),
        (Intent.BROWSING, [(CART, "hat-1"), (VIEW, "shoe-9")]),
        (Intent.COMPARING, [(VIEW, "hat-1"), (VIEW, "hat-2"), (VIEW, "hat-1")]),
        (Intent.BROWSING, [(VIEW, "hat-1"), (VIEW, "shoe-9"), (VIEW, "hat-1")]),
        (Intent.BROWSING, [(VIEW, "hat-1"), (VIEW, "hat-2")]),
        (Intent.BROWSING, [(VIEW, "scarf"), (VIEW, "nothing"), (VIEW, "scarf")]),
        (Intent.BARGAIN, [(VIEW, "shoe-1"), (VIEW, "shoe-3"), (VIEW, "shoe-9"), (VIEW, "hat-1")]),
        (Intent.BROWSING, [(VIEW, "shoe-1"), (VIEW, "shoe-4"), (VIEW, "shoe-9")]),
        (Intent.BROWSING, [(VIEW, "shoe-1"), (VIEW, "shoe-2")]),
        (Intent.BARGAIN, [(VIEW, "shoe-1"), (VIEW, "shoe-2"), (VIEW, "shoe-3"), (VIEW, "shoe-1")]),
    ],
)
def test_a_session_without_a_past(expected, steps):
    assert intent_of(*steps) is expected


def test_a_visitor_who_comes_back_to_known_items():
    earlier = ((VIEW, "hat-1"), (EventType.PURCHASE, "shoe-4"))
    assert intent_of((VIEW, "hat-1"), (VIEW, "hat-2"), earlier=earlier) is Intent.RETURNING
    assert intent_of((VIEW, "shoe-4"), earlier=earlier) is Intent.RETURNING
    assert intent_of((VIEW, "hat-1"), (VIEW, "hat-2"), (VIEW, "hat-3"), earlier=earlier) is Intent.BROWSING
    assert intent_of((VIEW, "hat-1"), (CART, "hat-1"), earlier=earlier) is Intent.TRANSACTIONAL


def test_an_item_too_new_for_a_row_counts_with_what_the_state_says_of_it():
    state = None
    for place, item in enumerate((Item("shoe-1"), Item("shoe-2"), Item("new", "shoes", "", 5 * MICROS))):
        state = VISITOR.fold(state, Event(f"e{place}", VIEW, "v", NOW - (3 - place) * MICROS, items=(item,)))
    session = current_session(state, NOW, "")
    assert session_intent(session, Interests(state, session, FEATURES, NOW), FEATURES) is Intent.BARGAIN
