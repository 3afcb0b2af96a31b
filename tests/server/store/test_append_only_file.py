"""What the embedded store's file lacks is in Presage's own log, not only in Valkey's."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from presage_server.store.embedded import embedded_store
from support.running_server import GENEROUS_SECONDS


def cut_off(data_dir, size):
    (file,) = data_dir.glob("appendonlydir/*.incr.aof")
    os.truncate(file, file.stat().st_size - size)


async def fill(url):
    async with Redis.from_url(url) as redis:
        for number in range(10):
            await redis.set(f"key-{number}", "x" * 100)


def reports(caplog):
    return [record.getMessage() for record in caplog.records if "ended in the middle of a write" in record.getMessage()]


async def test_a_file_that_lacks_its_end_is_reported_at_the_start(tmp_path, caplog):
    async with embedded_store(tmp_path) as url:
        await fill(url)
    cut_off(tmp_path, 7)
    async with embedded_store(tmp_path) as url, Redis.from_url(url) as redis:
        assert await redis.dbsize() == 9
    (report,) = reports(caplog)
    assert "appendonly.aof.1.incr.aof" in report
    assert "its last 125 bytes were dropped" in report


async def test_and_at_a_restart(tmp_path, caplog):
    async with embedded_store(tmp_path) as url, Redis.from_url(url) as redis:
        await fill(url)
        await redis.waitaof(1, 0, 5_000)
        pid = (await redis.info("server"))["process_id"]
        os.kill(pid, signal.SIGKILL)
        cut_off(tmp_path, 7)
        async with asyncio.timeout(GENEROUS_SECONDS):
            while not reports(caplog):
                await asyncio.sleep(0.05)
                with suppress(RedisConnectionError):
                    assert await redis.dbsize() == 9


async def test_a_whole_file_is_not_reported(tmp_path, caplog):
    for _ in range(2):
        async with embedded_store(tmp_path) as url:
            await fill(url)
    assert reports(caplog) == []
