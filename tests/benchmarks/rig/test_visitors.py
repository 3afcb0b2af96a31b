from __future__ import annotations

import time

import pytest

from benchmarks.rig import visitors
from benchmarks.rig.visitors import fill_store, simulated_states, user_id
from presage_featurizer import encode_state
from presage_server.store.keys import state_key
from presage_server.store.snapshot import read_snapshot


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(visitors, "_SIMULATED", 20)
    monkeypatch.setattr(visitors, "_CHUNK", 7)


def test_every_visitor_is_stored_as_a_server_would(store):
    now = time.time_ns() // 1_000
    fill_store(store.url, 30, now)
    states = simulated_states(now)

    assert len(store.redis.keys()) == 30
    for number in range(30):
        blob = store.redis.get(state_key(user_id(number)))
        assert read_snapshot(blob).state == states[number % len(states)]
        assert store.redis.pttl(state_key(user_id(number))) > 0


def test_simulated_visitors_are_each_their_own_and_a_seed_decides_them():
    now = time.time_ns() // 1_000
    states = simulated_states(now)

    assert len({encode_state(state) for state in states}) == len(states) > 1
    assert simulated_states(now) == states
    assert simulated_states(now, seed=2) != states
