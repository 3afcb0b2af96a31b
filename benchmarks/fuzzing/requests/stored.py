"""What is stored of visitors: put there before a round, and compared with a replay of the streams after it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice

import grpc
import redis

from benchmarks.fuzzing.findings import Findings
from benchmarks.fuzzing.requests.methods import METHODS
from benchmarks.fuzzing.requests.sending import ask
from benchmarks.rig.server_parts import REVISION_BYTES, state_key, stored_state
from benchmarks.rig.stored_events import read_events
from presage.v1 import scoring_service_pb2
from presage_featurizer import State, encode_state
from presage_training.replaying.replay import Replay

__all__ = ["check_visitors", "describe_changes", "everything", "put_visitors", "settled", "unix_millis"]

_SETTLE_SECONDS, _SETTLE_ROUNDS = 1.0, 60
_GET_FEATURES = next(method for method in METHODS if method.name == "GetFeatures")
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


async def settled(store: redis.Redis, address: str) -> dict[bytes, bytes]:
    """Return all that is stored of visitors, once nothing comes any more of calls that have been answered.

    Samples of scores and lists are logged after the answer. However late a server gets to that on a busy machine, it does so before
    it answers a call that comes a second later and reads the store, too.

    Raises:
        RuntimeError: Something is still written after a minute.
    """
    request = scoring_service_pb2.GetFeaturesRequest(user_id="settled").SerializeToString()
    found = everything(store)
    async with grpc.aio.insecure_channel(address) as channel:
        for _ in range(_SETTLE_ROUNDS):
            before = found
            await asyncio.sleep(_SETTLE_SECONDS)
            await ask(channel, _GET_FEATURES, request)
            found = everything(store)
            if found == before:
                return found
    raise RuntimeError(f"the store still changes {_SETTLE_ROUNDS} s after the last call")


def unix_millis(store: redis.Redis) -> int:
    """Return the store's clock, as the ids of entries have it."""
    seconds, micros = store.time()
    return seconds * 1_000 + micros // 1_000


def describe_changes(
    store: redis.Redis, before: Mapping[bytes, bytes], after: Mapping[bytes, bytes], since_unix_millis: int
) -> list[str]:
    """Say which keys differ, and what entries their streams have got since a moment of the store's clock."""
    changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    return [_describe_change(store, key, before, after, since_unix_millis) for key in changed]


def _describe_change(
    store: redis.Redis, key: bytes, before: Mapping[bytes, bytes], after: Mapping[bytes, bytes], since_unix_millis: int
) -> str:
    if key in after and key.endswith(b":events"):
        entries = store.xrange(key, min=since_unix_millis)
        added = "; ".join(f"{entry.decode()} {b', '.join(fields).decode()}" for entry, fields in entries)
        return f"{key.decode(errors='replace')} has got {added or 'no entry'}"
    what = "has changed" if key in before and key in after else "is new" if key in after else "is gone"
    return f"{key.decode(errors='replace')} {what}"


def _read_states(store: redis.Redis) -> Iterator[tuple[bytes, bytes]]:
    for keys in _keys(store, "{p*}:u:*"):
        for key, blob in zip(keys, store.mget(keys), strict=True):
            yield key, (blob or b"")[REVISION_BYTES:]


def _keys(store: redis.Redis, pattern: str) -> Iterator[list[bytes]]:
    """Find keys, some at a time."""
    found = iter(store.scan_iter(match=pattern, count=1_000))
    while some := list(islice(found, 500)):
        yield some
