"""The stages of a call that wait on an event loop: the frame around every handler, and the store."""

from __future__ import annotations

import asyncio
from itertools import count
from time import process_time

import msgspec
import pytest
from redis.asyncio import BlockingConnectionPool, Redis

from benchmarks.loop_timer import LoopTimer
from presage.v1 import scoring_service_pb2
from presage_featurizer import fold
from presage_server.call import Call
from presage_server.pipeline.in_flight import InFlight
from presage_server.rpc.frame import rpc
from presage_server.store.keys import state_key
from presage_server.store.redis_store import RedisStore, connect
from presage_server.store.resp import encode_get
from presage_server.store.snapshot import REVISION_BYTES, WRITER_BYTES, Change, Snapshot
from presage_server.telemetry.metrics import Metrics

TIMER, CPU_TIMER = LoopTimer(), LoopTimer(process_time)
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
def clients(runner, store_url):
    """redis-py's client and the connection that calls share, as the server has them."""
    redis, connection = connect(store_url)
    runner.run(connection.open())
    yield redis, connection
    runner.run(connection.close())
    runner.run(redis.aclose(close_connection_pool=True))


def test_call_frame(benchmark, runner):
    servicer, context, request = Empty(), Context(), scoring_service_pb2.ScoreRequest(user_id="same")
    answer = benchmark.pedantic(TIMER.run, (runner, lambda: servicer.method(request, context)), **ROUNDS)
    assert answer is request


def test_redis_get(benchmark, runner, clients, stored):
    key = state_key(stored.user_id).encode()
    _, connection = clients
    (blob,) = benchmark.pedantic(TIMER.run, (runner, lambda: connection.call(encode_get(key))), **ROUNDS)
    assert blob is not None


@pytest.mark.benchmark(group="CPU of 1,000 GETs (a millisecond: 1 µs each)", timer=CPU_TIMER)
@pytest.mark.parametrize("in_flight", [1, 16])
@pytest.mark.parametrize("client", ["redis_py", "multiplexed"])
def test_thousand_gets(benchmark, runner, clients, store_url, client, in_flight):  # noqa: PLR0917 - pytest passes names
    """Many small states, so many at a time; redis-py with a pool, which is how it is used at its best."""
    connection, keys = clients[1], [f"get-{number}" for number in range(1_000)]
    pool = BlockingConnectionPool.from_url(store_url, max_connections=in_flight, timeout=None, protocol=2)
    redis = Redis.from_pool(pool)
    runner.run(redis.mset(dict.fromkeys(keys, bytes(700)) | {keys[-1]: b"last"}))

    async def get(key):
        return await redis.get(key) if client == "redis_py" else (await connection.call(encode_get(key.encode())))[0]

    async def get_some(some):
        return [await get(key) for key in some]

    async def get_all():
        return await asyncio.gather(*(get_some(keys[place::in_flight]) for place in range(in_flight)))

    answers = benchmark.pedantic(CPU_TIMER.run, (runner, get_all), rounds=50, warmup_rounds=5)
    assert answers[999 % in_flight][-1] == b"last"
    runner.run(redis.delete(*keys))
    runner.run(redis.aclose())


def test_compare_and_set(benchmark, runner, clients, visitor):
    """Compare-and-set as the store does it: the encoding of the state and of the event are parts of it."""
    store = RedisStore(*clients, clock=lambda: 1, writer=WRITER, state_ttl_ms=600_000, stream_max_events=1_000)
    user_id = f"committed-{visitor.user_id}"
    event = msgspec.structs.replace(visitor.event, user_id=user_id)
    state = fold(visitor.state, event)
    runner.run(store.prepare())
    runner.run(clients[0].delete(state_key(user_id)))
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
