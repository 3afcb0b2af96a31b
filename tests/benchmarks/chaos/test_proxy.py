from __future__ import annotations

import time
from random import Random

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from benchmarks.chaos.proxy import run_proxy
from support.stores import local_store


@pytest.fixture
async def proxied(short_directory):
    with local_store(short_directory / "s") as store:
        async with (
            run_proxy(store.socket, Random(1)) as proxy,
            Redis.from_url(proxy.url, protocol=2, retry=Retry(NoBackoff(), 0)) as redis,
        ):
            yield proxy, redis


async def test_it_carries_what_is_said(proxied):
    _, redis = proxied
    await redis.set("key", "x" * 1_000_000)
    assert await redis.get("key") == b"x" * 1_000_000


async def test_it_delays_replies_without_holding_up_requests(proxied):
    proxy, redis = proxied
    await redis.ping()
    proxy.round_trip_seconds = 0.2
    began = time.monotonic()
    pipeline = redis.pipeline(transaction=False)
    for number in range(100):
        pipeline.set("key", number)
    await pipeline.execute()
    assert 0.2 <= time.monotonic() - began < 10


async def test_it_cuts_replies_in_the_middle(proxied):
    proxy, redis = proxied
    await redis.set("key", "value")
    proxy.cut_share = 1.0
    with pytest.raises(RedisConnectionError):
        await redis.get("key")
    assert proxy.cuts == 1
    proxy.cut_share = 0.0
    assert await redis.get("key") == b"value"


async def test_it_refuses_and_listens_again_on_its_port(proxied):
    proxy, redis = proxied
    await redis.ping()
    await proxy.refuse()
    with pytest.raises(RedisConnectionError):
        await redis.ping()
    await proxy.listen()
    assert await redis.ping()
