from __future__ import annotations

import hashlib

import pytest

from benchmarks.workloads import WORKLOADS, workload
from presage_featurizer import EventType, encode_event, fold
from presage_featurizer.digests import WIDTH
from presage_featurizer.state import MAX_CART_LINES, MAX_OPEN_SESSIONS, MAX_RECENT_EVENTS, MAX_VIEWED_PRODUCTS

DIGESTS = {"median_v1": "1183031e75b10573", "heavy_v1": "673dc09b35c21cd2"}


def digest_of(visitor):
    return hashlib.sha256(b"".join(map(encode_event, (*visitor.log, visitor.event)))).hexdigest()[:16]


def test_a_workload_of_one_name_never_changes():
    """A change of the events needs a new name: numbers are compared across releases."""
    assert {name: digest_of(workload(name)) for name in WORKLOADS} == DIGESTS


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_next_event_counts_in_the_current_session(name):
    visitor = workload(name)
    after = fold(visitor.state, visitor.event)

    assert visitor.event.type == EventType.VIEW_ITEM
    assert after is not visitor.state
    assert after.sessions[-1].event_count == visitor.state.sessions[-1].event_count + 1


def test_the_heavy_visitor_fills_all_that_is_kept():
    state = workload("heavy_v1").state

    assert len(state.cart) == MAX_CART_LINES
    assert [len(session.viewed_products) for session in state.sessions] == [
        MAX_VIEWED_PRODUCTS * WIDTH
    ] * MAX_OPEN_SESSIONS
    assert len(state.recent_events) == MAX_RECENT_EVENTS * WIDTH
