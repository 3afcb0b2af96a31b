from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.limit import states
from benchmarks.limit.states import compare_states, random_events
from benchmarks.rig.server_parts import state_key
from benchmarks.rig.visitors import user_id
from presage.v1 import event_pb2
from presage_featurizer import Device, Event, EventType, Item, State, encode_state, fold, money_micros
from presage_featurizer.events import MAX_VALUE
from presage_featurizer.item_history import session_items
from presage_featurizer.state import (
    MAX_CART_LINES,
    MAX_CATEGORY_INTERESTS,
    MAX_HISTORY_ITEMS,
    MAX_OPEN_SESSIONS,
    MAX_RECENT_EVENTS,
    MAX_SESSION_ITEMS,
    MAX_VIEWED_PRODUCTS,
)
from support.running_server import server_process
from support.stores import local_store

NOW = 1_714_521_600_000_000


def converted(message):
    items = (
        Item(item.item_id, item.category, item.brand, money_micros(item.price), item.quantity or 1)
        for item in message.items
    )
    return Event(
        message.event_id,
        EventType(message.type),
        message.user_id,
        message.event_time_unix_micros,
        message.session_id,
        tuple(items),
        message.country,
        Device(message.device),
        message.order_id,
        money_micros(message.value) if message.HasField("value") else None,
    )


def test_events_of_all_types_reach_every_bound_of_a_state():
    found: dict[str, State] = {}
    viewed = 0
    events = list(random_events(1_000, NOW))
    for message in events:
        event = converted(message)
        if event.money_micros <= money_micros(MAX_VALUE):  # servers reject others
            state = found[message.user_id] = fold(found.get(message.user_id), event)
            viewed = max(viewed, 0, *(len(session.viewed_products) for session in state.sessions))
    ends = list(found.values())

    assert {event.type for event in events} == set(event_pb2.EventType.values()) - {0}
    assert any(state.cart_saturated and len(state.cart) == MAX_CART_LINES for state in ends)
    assert any(len(state.sessions) == MAX_OPEN_SESSIONS for state in ends)
    assert any(len(state.items.digests) == 8 * MAX_HISTORY_ITEMS for state in ends)
    sessions = [session_items(session.items) for state in ends for session in state.sessions]
    assert any(sum(len(group.digests) for group in groups) == 8 * MAX_SESSION_ITEMS for groups in sessions)
    assert any(len(state.habits.categories) == MAX_CATEGORY_INTERESTS for state in ends)
    assert any(len(state.recent_events) == 8 * MAX_RECENT_EVENTS for state in ends)
    assert viewed == 8 * MAX_VIEWED_PRODUCTS
    assert any(state.spent_micros < 0 for state in ends)
    assert any(state.closed_sessions > 5 for state in ends)
    repeated = Counter((event.user_id, event.event_id) for event in events)
    assert sum(count > 1 for count in repeated.values()) > 10


def test_a_seed_decides_the_events():
    assert list(random_events(100, NOW))[:50] == list(random_events(100, NOW))[:50]
    assert next(random_events(100, NOW)) != next(random_events(100, NOW, seed=2))


def test_states_that_differ_are_found(store, short_directory, models, tmp_path, monkeypatch):
    monkeypatch.setattr(states, "_EVENTS", 300)
    with local_store(short_directory / "second.sock") as second:
        flags = ("--models", str(models), "--redis-url")
        with (
            server_process(tmp_path / "log", *flags, store.url) as one,
            server_process(tmp_path / "log-2", *flags, second.url) as other,
        ):
            servers = {store.url: one.address, second.url: other.address}
            assert compare_states(servers, 50, NOW) == 300

            second.redis.set(state_key(user_id(49)), b"revision" + encode_state(State(1, 1)))
            with pytest.raises(RuntimeError, match="Presage has"):
                compare_states(servers, 50, NOW)
