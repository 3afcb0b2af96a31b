"""What is stored of visitors: put there before a round, and compared with a replay of the streams after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice

import redis

from benchmarks.fuzzing.findings import Findings
from benchmarks.rig.server_parts import REVISION_BYTES, state_key, stored_state
from benchmarks.rig.stored_events import read_events
from presage_featurizer import State, encode_state
from presage_training.replaying.replay import Replay

__all__ = ["check_visitors", "everything", "put_visitors"]

_OF_VISITORS = ("{p*}:u:*", "{p*}:events", "{p*}:aside:*")


def put_visitors(store: redis.Redis, states: Mapping[str, State], now_unix_micros: int) -> None:
    """Forget all visitors and their events, and store others."""
    for pattern in _OF_VISITORS:
        for keys in _keys(store, pattern):
            store.unlink(*keys)
    pipeline = store.pipeline(transaction=False)
    for user_id, state in states.items():
        pipeline.set(state_key(user_id), stored_state(state, now_unix_micros))
    pipeline.execute()


def check_visitors(store: redis.Redis, states: Mapping[str, State], applied: Counter[str], findings: Findings) -> int:
    """Compare what is stored with what was answered, and with a replay.

    Args:
        store: Whose servers are idle.
        states: What ``put_visitors`` stored.
        applied: Events that were applied, as the answers say, by visitor.
        findings: Gets what is wrong.

    Returns:
        How many events the streams have.
    """
    replay, streamed = Replay(), Counter[str]()
    replay.states |= states
    for event, fresh in read_events(store):
        replay.fold(event, fresh=fresh)
        streamed[event.user_id] += 1
    if streamed != applied:
        different = (streamed - applied) + (applied - streamed)
        findings.add(
            "events applied by answers are not those in the streams",
            f"{applied.total()} and {streamed.total()}; of {[ascii(user)[:60] for user in list(different)[:5]]}",
        )
    expected = {state_key(user).encode(): encode_state(state) for user, state in replay.states.items()}
    stored = dict(_read_states(store))
    for key in stored.keys() ^ expected.keys():
        findings.add("a visitor has a state of no events, or events without one", repr(key)[:200])
    for key in stored.keys() & expected.keys():
        if stored[key] != expected[key]:
            findings.add("a state is not that of its events", repr(key)[:200], stored[key])
    for key in store.scan_iter(match="{p*}:aside:*", count=1_000):
        findings.add("a state was quarantined", repr(key)[:200])
    return streamed.total()


def everything(store: redis.Redis) -> dict[bytes, bytes]:
    """Return all that is stored of visitors, each key with its serialized value."""
    found = {}
    for pattern in _OF_VISITORS:
        for keys in _keys(store, pattern):
            pipeline = store.pipeline(transaction=False)
            for key in keys:
                pipeline.dump(key)
            found.update(zip(keys, pipeline.execute(), strict=True))
    return found


def _read_states(store: redis.Redis) -> Iterator[tuple[bytes, bytes]]:
    for keys in _keys(store, "{p*}:u:*"):
        for key, blob in zip(keys, store.mget(keys), strict=True):
            yield key, (blob or b"")[REVISION_BYTES:]


def _keys(store: redis.Redis, pattern: str) -> Iterator[list[bytes]]:
    """Find keys, some at a time."""
    found = iter(store.scan_iter(match=pattern, count=1_000))
    while some := list(islice(found, 500)):
        yield some
