from __future__ import annotations

import hashlib

import msgspec
import pytest

from benchmarks.workloads import WORKLOADS, workload
from presage_featurizer import EventType, fold
from presage_featurizer.digests import WIDTH
from presage_featurizer.state import MAX_CART_LINES, MAX_OPEN_SESSIONS, MAX_RECENT_EVENTS, MAX_VIEWED_PRODUCTS

DIGESTS = {"median_v1": "a43e3bbe3b3ae222", "heavy_v1": "c7b2777e73716441"}


def digest_of(visitor):
    return hashlib.sha256(repr([fields_of(event) for event in (*visitor.log, visitor.event)]).encode()).hexdigest()[:16]


def fields_of(value):
    """Describe a value without the fields that have their default, so that an event stays the same when it gains a field."""
    if isinstance(value, tuple):
        return [fields_of(part) for part in value]
    if not isinstance(value, msgspec.Struct):
        return value
    fields = ((field, getattr(value, field.name)) for field in msgspec.structs.fields(value))
    return {field.name: fields_of(found) for field, found in fields if found != default_of(field)}


def default_of(field):
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


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
