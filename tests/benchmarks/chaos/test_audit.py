"""What an audit has to find."""

from __future__ import annotations

import time

import pytest
import redis

from benchmarks.chaos.answers import Kind, Score
from benchmarks.chaos.audit import audit
from benchmarks.chaos.traffic import run_traffic
from benchmarks.rig.server_parts import REVISION_BYTES, state_key, stream_key
from benchmarks.rig.serving import local_store, presage_serve
from presage_featurizer.event_log import partition_of

CLEAN = {"lost": 0, "twice": 0, "differing": 0, "stale": 0}
FLAGS = ("--no-follow-items", "--reload-seconds", "0", "--stream-max-events", "0")


@pytest.fixture(scope="module")
def served():
    with local_store() as url, presage_serve(url, *FLAGS) as address:
        yield url, address


async def send(address, name):
    """Send three events of each of two visitors; returns what was answered."""
    async with run_traffic(address, name=name, users=2, events_per_second=0, scores_per_second=0) as traffic:
        await traffic.burst(12)
        await traffic.settle()
        while any(event.kind is not Kind.OK for event in traffic.events):
            traffic.events = [event for event in traffic.events if event.kind is Kind.OK]
        return traffic


def differences(url, traffic):
    with redis.Redis.from_url(url) as store:
        found = audit(store, traffic)
    return {name: getattr(found, name) for name in CLEAN}


def entries(store, event):
    stream = stream_key(partition_of(f"{event.id.partition('-')[0]}-{event.user}"))
    return stream, store.xrange(stream)


async def test_nothing_where_all_is_well(served):
    url, address = served
    traffic = await send(address, "well")
    assert differences(url, traffic) == CLEAN


async def test_a_lost_event_and_the_state_that_still_has_it(served):
    url, address = served
    traffic = await send(address, "lost")
    with redis.Redis.from_url(url) as store:
        stream, found = entries(store, traffic.events[-1])
        store.xdel(stream, found[-1][0])
    assert differences(url, traffic) == CLEAN | {"lost": 1, "differing": 1}


async def test_an_event_that_counts_twice(served):
    url, address = served
    traffic = await send(address, "twice")
    with redis.Redis.from_url(url) as store:
        stream, found = entries(store, traffic.events[-1])
        store.xadd(stream, found[-1][1])
    assert differences(url, traffic)["twice"] == 1


async def test_a_state_that_differs(served):
    url, address = served
    traffic = await send(address, "state")
    with redis.Redis.from_url(url) as store:
        key = state_key(f"state-{traffic.events[0].user}")
        store.setrange(key, REVISION_BYTES + 6, b"x")
    assert differences(url, traffic) == CLEAN | {"differing": 1}


@pytest.mark.parametrize(
    ("seen", "kind", "found"),
    [
        (2, Kind.OK, {"stale": 1}),
        (2, Kind.DEGRADED, {}),
        (3, Kind.OK, {}),
        (4, Kind.OK, {"twice": 1}),
    ],
)
async def test_a_score_has_to_see_what_was_acknowledged_or_say_so(served, seen, kind, found):
    url, address = served
    traffic = await send(address, f"seen{seen}{kind}")
    user = traffic.events[0].user
    count = sum(event.user == user for event in traffic.events)
    now = time.monotonic()
    traffic.scores = [Score(user=user, sent=now, ended=now, kind=kind, detail="", seen=seen - 3 + count)]
    assert differences(url, traffic) == CLEAN | found
