"""The stages of a call that wait on an event loop: the frame around every handler, and the store."""

from __future__ import annotations

import asyncio
from itertools import count

import msgspec
import pytest

from benchmarks.loop_timer import LoopTimer
from presage.v1 import scoring_service_pb2
from presage_featurizer import fold
from presage_server.call import Call
from presage_server.in_flight import InFlight
from presage_server.metrics import Metrics
from presage_server.rpc import rpc
from presage_server.store.keys import state_key
from presage_server.store.redis_store import RedisStore, connect
from presage_server.store.snapshot import REVISION_BYTES, WRITER_BYTES, Change, Snapshot

TIMER = LoopTimer()
WRITER = b"wr"
ROUNDS = {"rounds": 3_000, "warmup_rounds": 300}

pytestmark = pytest.mark.benchmark(group="stages, on the loop", timer=TIMER)


class Empty:
    """A servicer whose only method does nothing."""

    metrics = Metrics()
    in_flight = InFlight(1)
    timeout_seconds = 1.0

    @rpc
    async def method(self, request: scoring_service_pb2.ScoreRequest, _call: Call) -> scoring_service_pb2.ScoreRequest:
        """Answer at once."""
        return request


class Context:
    """What a handler asks gRPC for."""

    def time_remaining(self) -> float:
        """Tell how many seconds the caller waits."""
        return 1.0


@pytest.fixture
def redis_client(runner, store_url):
    _, client = connect(store_url)
    yield client
    runner.run(client.aclose(close_connection_pool=True))


def test_call_frame(benchmark, runner):
    servicer, context, request = Empty(), Context(), scoring_service_pb2.ScoreRequest(user_id="same")
    answer = benchmark.pedantic(TIMER.run, (runner, lambda: servicer.method(request, context)), **ROUNDS)
    assert answer is request


def test_redis_get(benchmark, runner, redis_client, stored):
    key = state_key(stored.user_id)
    blob = benchmark.pedantic(TIMER.run, (runner, lambda: redis_client.get(key)), **ROUNDS)
    assert blob is not None


@pytest.fixture
def connection(runner, store_url):
    shared, _ = connect(store_url)
    yield shared
    runner.run(shared.close())


def test_store_get(benchmark, runner, connection, stored):
    """The same over the connection that all calls share."""
    command = ("GET", state_key(stored.user_id))
    blob = benchmark.pedantic(TIMER.run, (runner, lambda: connection.execute(command)), **ROUNDS)
    assert blob is not None


@pytest.mark.parametrize("client", ["redis-py", "shared"])
def test_sixteen_gets_at_once(benchmark, runner, request, stored, client):
    """What a GET costs in company: divide by sixteen."""
    key = state_key(stored.user_id)
    link = request.getfixturevalue("connection" if client == "shared" else "redis_client")

    async def gets():
        if client == "shared":
            return await asyncio.gather(*(link.execute(("GET", key)) for _ in range(16)))
        return await asyncio.gather(*(link.get(key) for _ in range(16)))

    blobs = benchmark.pedantic(TIMER.run, (runner, gets), **ROUNDS)
    assert len(set(blobs)) == 1
    assert None not in blobs


def test_compare_and_set(benchmark, runner, redis_client, connection, visitor):
    """Compare-and-set as the store does it: the encoding of the state and of the event are parts of it."""
    store = RedisStore(
        connection, redis_client, clock=lambda: 1, writer=WRITER, state_ttl_ms=600_000, stream_max_events=1_000
    )
    user_id = f"committed-{visitor.user_id}"
    event = msgspec.structs.replace(visitor.event, user_id=user_id)
    state = fold(visitor.state, event)
    runner.run(store.prepare())
    runner.run(redis_client.delete(state_key(user_id)))
    runner.run(store.commit([Change(user_id, Snapshot(None, b""), state, (event,))]))
    (first,) = runner.run(store.read([user_id]))
    counts = count(int.from_bytes(first.revision[:-WRITER_BYTES], "big"))

    async def commit():
        base = Snapshot(visitor.state, next(counts).to_bytes(REVISION_BYTES - WRITER_BYTES, "big") + WRITER)
        return await store.commit([Change(user_id, base, state, (event,))])

    assert benchmark.pedantic(TIMER.run, (runner, commit), **ROUNDS) == [None]
    (snapshot,) = runner.run(store.read([user_id]))
    assert snapshot.state == state
    assert int.from_bytes(snapshot.revision[:-WRITER_BYTES], "big") == next(counts)
