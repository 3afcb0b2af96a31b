"""Counted hours in the store: added up over processes, replaced by their own, and left out if they cannot be read."""

from __future__ import annotations

import numpy as np
import pytest
from redis.asyncio import Redis

from presage_export.drift import BUCKETS, Hour
from presage_server.drift.baselines import find_baseline
from presage_server.drift.stored_hours import DAYS_KEPT, read_hours, write_hours
from support.drifting_server import write_bundle_with_baseline


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    return find_baseline(write_bundle_with_baseline(tmp_path_factory.mktemp("drift")))


def an_hour(version, number: int, rows: int) -> Hour:
    counts = np.zeros(version.baseline.layout.bins, np.int64)
    counts[3] = rows
    visitors = np.zeros(BUCKETS, np.int64)
    visitors[number] = rows
    return Hour(number=number, counts=counts, visitors=visitors)


async def test_processes_add_up_and_each_replaces_its_own(store, version):
    async with Redis.from_url(store.url) as redis:
        await write_hours(redis, [(version, an_hour(version, 47, 5)), (version, an_hour(version, 48, 2))], writer="a")
        await write_hours(redis, [(version, an_hour(version, 48, 9))], writer="a")
        await write_hours(redis, [(version, an_hour(version, 48, 30))], writer="b")
    hours, unreadable = read_hours(store.redis, version, first=40, last=60)
    assert [(hour.number, hour.rows, int(hour.counts[3])) for hour in hours] == [(47, 5, 5), (48, 39, 39)]
    assert unreadable == 0
    assert [hour.number for hour in read_hours(store.redis, version, first=48, last=48)[0]] == [48]


async def test_hours_expire(store, version):
    async with Redis.from_url(store.url) as redis:
        await write_hours(redis, [(version, an_hour(version, 47, 5))], writer="a")
    (key,) = store.redis.keys("*")
    assert key.startswith(b"{drift}:conversion:1:")
    assert 0 < store.redis.ttl(key) <= DAYS_KEPT * 86_400


@pytest.mark.parametrize("damaged", [b"", b"\x92\x01\xc4\x01a", b"not msgpack"])
async def test_what_cannot_be_read_is_left_out_and_counted(store, version, damaged):
    async with Redis.from_url(store.url) as redis:
        await write_hours(redis, [(version, an_hour(version, 47, 5))], writer="a")
    (key,) = store.redis.keys("*")
    store.redis.hset(key, "23:b", damaged)
    hours, unreadable = read_hours(store.redis, version, first=47, last=47)
    assert ([hour.rows for hour in hours], unreadable) == ([5], 1)
