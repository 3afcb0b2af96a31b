"""Many visitors in a store: states of simulated visitors, each given to some of the ids."""

from __future__ import annotations

from collections.abc import Sequence

import redis

from benchmarks.rig.server_parts import state_key, stored_state
from presage_featurizer import MICROS, State
from presage_training.replaying.replay import Replay
from presage_training.simulator import simulate

__all__ = ["fill_store", "simulated_states", "user_id"]

_SIMULATED = 2_000
_DAYS = 14
_CHUNK = 2_000
_TTL_MS = 30 * 86_400 * 1_000


def user_id(number: int) -> str:
    """Name a visitor."""
    return f"visitor-{number:07d}"


def simulated_states(now_unix_micros: int, *, seed: int = 1) -> list[State]:
    """Simulate visitors up to now: their states are of all sizes, and some are in a session."""
    start = now_unix_micros - _DAYS * 86_400 * MICROS
    replay = Replay()
    for event in simulate(seed=seed, visitors=_SIMULATED, start_unix_micros=start, days=_DAYS):
        replay.fold(event)
    return list(replay.states.values())


def fill_store(url: str, visitors: int, now_unix_micros: int, states: Sequence[State] | None = None) -> None:
    """Store a number of visitors as a server would: with the given states in turn, or else with simulated ones."""
    states = simulated_states(now_unix_micros) if states is None else states
    blobs = [stored_state(state, now_unix_micros) for state in states]
    with redis.Redis.from_url(url) as client:
        for first in range(0, visitors, _CHUNK):
            pipeline = client.pipeline(transaction=False)
            for number in range(first, min(first + _CHUNK, visitors)):
                pipeline.set(state_key(user_id(number)), blobs[number % len(blobs)], px=_TTL_MS)
            pipeline.execute()
