"""What visitors did next is found as one would find it by reading the log twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from training.ranking.shops import START, event, item, lists

from presage_featurizer import MICROS, EventType, Item, Shown
from presage_featurizer.ranking.assembling import digest_number
from presage_training.ranking import answers as module
from presage_training.ranking.answers import survey

MINUTE = 60 * MICROS


def number(of: int) -> int:
    return digest_number(f"item-{of}")


def views(*steps: tuple[int, int, int]) -> list:
    """Views, as visitor, minute, item."""
    return [
        event(EventType.VIEW_ITEM, visitor, START + minute * MINUTE, (item(which),)) for visitor, minute, which in steps
    ]


def next_items(events: list) -> dict[int, int]:
    return {found.place: found.targets[0] for found in survey(events).answers["next-item"]}


def test_the_next_item_is_the_next_other_one_of_the_session():
    events = views((1, 0, 7), (2, 1, 9), (1, 2, 7), (1, 3, 8), (2, 5, 9), (1, 6, 7))

    assert next_items(events) == {0: number(8), 2: number(8), 3: number(7)}


def test_a_session_ends_after_half_an_hour_or_where_its_id_does():
    assert next_items(views((1, 0, 7), (1, 31, 8))) == {}
    first, second = views((1, 0, 7), (1, 1, 8))
    named = [event(EventType.VIEW_ITEM, 1, START, first.items, session_id="a"), second]
    assert next_items(named) == {}


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 40), st.integers(1, 4)), max_size=30).map(
        lambda found: sorted(found, key=lambda step: step[1])
    )
)
def test_it_is_what_a_search_forward_finds(steps):
    events = views(*steps)
    expected = {}
    for place, (visitor, minute, which) in enumerate(steps):
        last = minute
        for other_visitor, other_minute, other in steps[place + 1 :]:
            if other_visitor != visitor:
                continue
            if other_minute - last > 30:
                break
            last = other_minute
            if other != which:
                expected[place] = number(other)
                break

    assert next_items(events) == expected


def test_an_order_is_asked_for_once_though_its_lines_come_one_by_one():
    def buy(minute: int, which: int, order: str) -> object:
        return event(EventType.PURCHASE, 1, START + minute * MINUTE, (item(which),), order_id=order)

    events = [buy(0, 1, "a"), buy(0, 2, "a"), buy(50, 3, "b"), buy(50, 4, "b"), buy(50, 3, "b"), buy(99, 5, "")]
    found = survey(events)

    # The first order is of somebody unknown, and so is its second line.
    assert [(one.place, one.targets) for one in found.answers["next-order"]] == [
        (2, (number(3), number(4))),
        (5, (number(5),)),
    ]


def test_a_list_is_answered_by_what_was_taken_from_it():
    shown = event(EventType.VIEW_ITEM_LIST, 1, START, (item(1), item(2), item(3)))
    other = event(EventType.VIEW_ITEM_LIST, 2, START, (item(1), item(2)))
    events = [shown, other, *views((1, 1, 3), (1, 2, 9), (1, 3, 3), (2, 45, 1))]
    clicked = event(EventType.SELECT_ITEM, 1, START + 5 * MINUTE, (item(1),))

    found = survey([*events[:4], clicked, *events[4:]])

    assert [(one.place, one.targets) for one in found.answers["shown-list"]] == [(0, (number(3), number(1)))]
    assert (found.lists, found.counts["shown-list"]) == (2, 1)


def test_an_item_that_names_its_ranking_answers_that_one():
    def show(minute: int, rank_id: str) -> object:
        items = tuple(Item(f"item-{which}", shown=Shown(which, rank_id)) for which in (1, 2))
        return event(EventType.VIEW_ITEM_LIST, 1, START + minute * MINUTE, items)

    taken = event(EventType.VIEW_ITEM, 1, START + 3 * MINUTE, (Item("item-2", shown=Shown(2, "first")),))

    found = survey([show(0, "first"), show(1, "second"), taken])

    assert [one.place for one in found.answers["shown-list"]] == [0]


def test_a_list_of_one_asks_nothing():
    found = survey([event(EventType.VIEW_ITEM_LIST, 1, START, (item(1), item(1))), *views((1, 1, 1))])

    assert (found.lists, found.answers["shown-list"]) == (0, [])


def test_of_very_many_answers_those_of_some_visitors_are_kept_whole(monkeypatch):
    monkeypatch.setattr(module, "_MAX_ANSWERS", 100)
    log = lists(visitors=200)
    everything = survey(log)
    monkeypatch.setattr(module, "_MAX_ANSWERS", 10**6)
    full = survey(log)

    kept = {one.draw for one in everything.answers["shown-list"]}
    expected = [one for one in full.answers["shown-list"] if one.draw in kept]
    assert everything.counts == full.counts
    assert len(everything.answers["shown-list"]) <= 100
    assert everything.answers["shown-list"] == expected
    assert expected


def test_sessions_that_are_over_take_no_memory(monkeypatch):
    steps = [(visitor, 60 * visitor, 1) for visitor in range(1, 30)] + [(1, 61, 2), (30, 1_800, 3), (30, 1_801, 4)]
    log = views(*sorted(steps, key=lambda step: step[1]))
    expected = next_items(log)
    monkeypatch.setattr(module, "_MAX_OPEN_SESSIONS", 2)

    assert next_items(log) == expected
    assert expected == {0: number(2), 30: number(4)}


def test_an_empty_log_has_nothing():
    found = survey([])

    assert (found.events, found.times, found.counts) == (0, [], {"next-item": 0, "next-order": 0, "shown-list": 0})
