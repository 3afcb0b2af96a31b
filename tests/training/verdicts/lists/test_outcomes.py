"""What visitors took of lists that two versions have scored: joined by hand, and by the reader of an archive."""

from __future__ import annotations

from math import log2

import msgspec
import numpy as np
import pytest
from training.logs import act, at

from presage_featurizer import EventType, Item
from presage_featurizer.event_log import Exposure
from presage_featurizer.ranking.assembling import digest_numbers
from presage_training.errors import VerdictError
from presage_training.readers.formats.archive import ArchivedEvent
from presage_training.verdicts.lists import ListTarget, parse_list_target
from presage_training.verdicts.lists.outcomes import find_list_outcomes

ITEMS = ("lamp", "sofa", "rug", "vase")
A, B = (4.0, 3.0, 2.0, 1.0), (1.0, 2.0, 3.0, 4.0)


def a_list(minutes: float, **changes: object) -> Exposure:
    """A list that A shows in the order of ITEMS, and that B would have turned round."""
    count = len(ITEMS)
    fields = {
        "rank_id": f"{minutes:g}",
        "user_id": "ann",
        "session_id": "",
        "as_of_unix_micros": at(minutes),
        "last_event": b"",
        "model": "ranking",
        "model_version": "3",
        "fingerprint": "",
        "epoch": 0,
        "placement": "",
        "next_items": False,
        "degraded": False,
        "k": 2,
        "budget_micros": None,
        "cart_micros": 0,
        "anchor": None,
        "candidates": digest_numbers(ITEMS).tobytes(),
        "sources": bytes(count),
        "given": bytes(2 * count),
        "scores": np.array(A).tobytes(),
        "prices": bytes(8 * count),
        "stocks": bytes(8 * count),
        "blocked": bytes(count),
        "shown": np.array([0, 1], "<u2").tobytes(),
        "propensities": bytes(16),
        "rules": ((), ()),
        "arm": 1,
        "arm_propensity": 0.8,
        "others": (("5", bytes(32)), ("4", np.array(B).tobytes())),
    }
    return Exposure(**(fields | changes))


def took(kind: EventType, minutes: float, *item_ids: str, user_id: str = "ann"):
    items = tuple(Item(item_id=item_id) for item_id in item_ids)
    return act(kind, minutes, user_id=user_id, items=items)


CLOSER = act(minutes=10_000, user_id="closer", items=(Item(item_id="lamp"),))


def rows_of(exposures, *events, k=3, target=None):
    archived = [ArchivedEvent(event, fresh=False) for event in (*events, CLOSER)]
    return find_list_outcomes(
        archived, exposures, model="ranking", versions=("3", "4"), target=target or ListTarget(), k=k
    )


def test_what_was_taken_is_looked_for_in_both_orders():
    rows = rows_of(
        [a_list(0)], took(EventType.SELECT_ITEM, 1, "sofa"), took(EventType.ADD_TO_CART, 2, "rug", "no candidate")
    )
    ideal = 1 + 1 / log2(3)

    assert rows.ndcg_a.tolist() == [pytest.approx((1 / log2(3) + 1 / log2(4)) / ideal)]
    assert rows.ndcg_b.tolist() == [pytest.approx((1 / log2(3) + 1 / log2(4)) / ideal)]
    assert (rows.reciprocal_rank_a.tolist(), rows.reciprocal_rank_b.tolist()) == ([0.5], [0.5])
    assert rows.overlap.tolist() == [pytest.approx(2 / 3)]
    assert (rows.found.tolist(), rows.took.tolist(), rows.purchased.tolist()) == ([True], [True], [False])
    assert (rows.arms.tolist(), rows.propensities.tolist()) == ([1], [0.8])
    assert (rows.served_a.tolist(), rows.served_b.tolist()) == ([True], [False])


@pytest.mark.parametrize(
    ("kind", "minutes", "item_id", "places"),
    [
        (EventType.VIEW_ITEM, 59, "lamp", (1.0, 0.0)),
        (EventType.PURCHASE, 59, "vase", (0.0, 1.0)),
        (EventType.SELECT_ITEM, 61, "lamp", (0.0, 0.0)),
        (EventType.SELECT_ITEM, 0, "lamp", (0.0, 0.0)),
        (EventType.REMOVE_FROM_CART, 1, "lamp", (0.0, 0.0)),
        (EventType.VIEW_ITEM_LIST, 1, "lamp", (0.0, 0.0)),
    ],
)
def test_only_what_shows_interest_in_time_counts(kind, minutes, item_id, places):
    rows = rows_of([a_list(0)], took(kind, minutes, item_id))
    assert (*rows.reciprocal_rank_a, *rows.reciprocal_rank_b) == places
    assert (*rows.ndcg_a, *rows.ndcg_b) == places
    assert rows.found.tolist() == [any(places)]
    assert rows.took.tolist() == [places[0] > 0]  # the vase was not shown


def test_bought_items_alone_count_if_that_is_the_target():
    events = took(EventType.SELECT_ITEM, 1, "lamp"), took(EventType.PURCHASE, 100, "vase")
    rows = rows_of([a_list(0)], *events, target=parse_list_target("bought-within:120"))
    assert (rows.ndcg_a.tolist(), rows.ndcg_b.tolist(), rows.purchased.tolist()) == ([0.0], [1.0], [True])


def test_a_purchase_counts_whether_its_items_are_known_or_not():
    rows = rows_of([a_list(0)], took(EventType.PURCHASE, 100))
    assert (rows.purchased.tolist(), rows.took.tolist()) == ([False], [False])
    rows = rows_of([a_list(0)], took(EventType.PURCHASE, 50))
    assert (rows.purchased.tolist(), rows.took.tolist()) == ([True], [False])


def test_what_came_late_to_the_archive_counts_by_its_time():
    events = took(EventType.SELECT_ITEM, 100, "sofa"), took(EventType.SELECT_ITEM, 1, "lamp")
    rows = rows_of([a_list(0)], *events)
    assert rows.reciprocal_rank_a.tolist() == [1.0]
    assert rows.took.tolist() == [True]


def test_lists_of_a_session_are_one_row_and_others_of_a_visitor_are_rows_of_their_own():
    exposures = [
        a_list(0),
        a_list(20),
        a_list(25, model_version="4", scores=bytes(32), others=(("3", bytes(32)),)),
        a_list(80),
    ]
    rows = rows_of(exposures, took(EventType.SELECT_ITEM, 10, "lamp"))
    assert rows.users.tolist() == [0, 0]
    assert rows.ndcg_a.tolist() == [0.5, 0.0]  # the first list's item, and nothing of the second
    assert rows.lists == 3  # without that of the version that came later


def test_a_session_counts_once_its_outcome_is_known():
    exposures = [a_list(0), a_list(9_999, user_id="bob")]
    rows = rows_of(exposures)
    assert (len(rows), rows.waiting) == (1, 1)


@pytest.mark.parametrize(
    "changes",
    [{"model": "other"}, {"model_version": "9"}, {"others": (("5", bytes(32)),)}],
    ids=lambda changes: next(iter(changes)),
)
def test_lists_that_are_no_pair_are_left_out(changes):
    rows = rows_of([a_list(0, **changes)], took(EventType.SELECT_ITEM, 1, "lamp"))
    assert (len(rows), rows.waiting) == (0, 0)


def test_blocked_items_are_in_no_order():
    rows = rows_of([a_list(0, blocked=bytes([1, 0, 0, 0]))], took(EventType.SELECT_ITEM, 1, "lamp", "sofa"))
    assert rows.reciprocal_rank_a.tolist() == [1.0]
    assert rows.found.tolist() == [True]


def test_a_list_without_candidates_says_nothing():
    names = ("candidates", "sources", "given", "scores", "prices", "stocks", "blocked", "shown", "propensities")
    empty = a_list(0, **dict.fromkeys(names, b""), rules=(), others=(("4", b""),))
    rows = rows_of([msgspec.structs.replace(empty)], took(EventType.SELECT_ITEM, 1, "lamp"))
    assert (rows.ndcg_a.tolist(), rows.overlap.tolist(), rows.found.tolist()) == ([0.0], [0.0], [False])


@pytest.mark.parametrize(
    "text", ["taken", "taken-within:", "taken-within:0", "seen-within:5", "bought-within:1e3", "taken-within:9999999"]
)
def test_targets_that_are_none_are_rejected(text):
    with pytest.raises(VerdictError, match="target: expected "):
        parse_list_target(text)
    assert parse_list_target("bought-within:5").name == "bought-within:5"
