"""The embedded store."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from presage_server.errors import StoreStartError
from presage_server.store import embedded
from presage_server.store.append_only_file import TruncationReport
from presage_server.store.embedded import embedded_store
from support.running_server import GENEROUS_SECONDS, gone


async def test_what_is_written_is_there_again_the_next_time(tmp_path):
    """In a folder whose name needs quoting, deeper than a socket's path may be long."""
    data_dir = tmp_path / 'a "deep" folder' / ("x" * 120)
    async with embedded_store(data_dir) as url:
        redis = Redis.from_url(url)
        await redis.set("key", "value")
        await redis.aclose()
    assert not Path(url.removeprefix("unix://")).parent.exists()
    async with embedded_store(data_dir) as url:
        redis = Redis.from_url(url)
        assert await redis.get("key") == b"value"
        config = await redis.config_get("maxmemory-policy", "appendonly", "port")
        assert config == {"maxmemory-policy": "noeviction", "appendonly": "yes", "port": "0"}
        await redis.aclose()


async def test_its_folder_is_its_owners_alone(tmp_path):
    """Also one that an older release has left readable by others."""
    data_dir = tmp_path / "data"
    (data_dir / "appendonlydir").mkdir(parents=True)
    (data_dir / "valkey.log").touch()
    for path in (data_dir, data_dir / "appendonlydir"):
        path.chmod(0o755)
    async with embedded_store(data_dir) as url:
        redis = Redis.from_url(url)
        await redis.set("key", "value")
        await redis.bgrewriteaof()
        while (await redis.info("persistence"))["aof_rewrite_in_progress"]:  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.01)
        await redis.aclose()
        assert (data_dir / "address").read_text().strip() == url
        found = [data_dir, *data_dir.rglob("*")]
        assert {path.name for path in found} >= {"data", "lock", "address", "valkey.log", "appendonlydir"}
        assert len(found) > 6, "with what is appended to"
        wrong = {
            path.name: oct(path.stat().st_mode)
            for path in found
            if path.stat().st_mode & 0o777 != (0o700 if path.is_dir() else 0o600)
        }
        assert wrong == {}
    assert not (data_dir / "address").exists()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("everysec", "300", 256 << 20, "no")),
        (
            {
                "fsync": "always",
                "rewrite_growth_percent": 0,
                "rewrite_min_bytes": 1 << 20,
                "fsync_during_rewrite": False,
            },
            ("always", "0", 1 << 20, "yes"),
        ),
    ],
    ids=["defaults", "given"],
)
async def test_how_the_append_only_file_is_kept(tmp_path, given, expected):
    """Also after a restart of the store."""
    names = ("appendfsync", "auto-aof-rewrite-percentage", "auto-aof-rewrite-min-size", "no-appendfsync-on-rewrite")
    values = dict(zip(names, map(str, expected), strict=True)) | {"appendonly": "yes", "save": ""}
    async with embedded_store(tmp_path, **given) as url:
        redis = Redis.from_url(url)
        assert await redis.config_get(*values) == values
        pid = (await redis.info("server"))["process_id"]
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(30):
            while True:
                with suppress(RedisConnectionError):
                    if (await redis.info("server"))["process_id"] != pid:
                        break
                await asyncio.sleep(0.02)
        assert await redis.config_get(*values) == values
        await redis.aclose()


async def test_a_store_that_dies_is_started_again_with_what_it_held(tmp_path, caplog):
    async with embedded_store(tmp_path) as url:
        redis = Redis.from_url(url)
        await redis.set("key", "value")
        await redis.waitaof(1, 0, 5_000)
        os.kill((await redis.info("server"))["process_id"], signal.SIGKILL)

        found = None
        async with asyncio.timeout(30):
            while found is None:
                with suppress(RedisConnectionError):
                    found = await redis.get("key")
                await asyncio.sleep(0.02)

        assert found == b"value"
        assert "the embedded store ended with code -9 and is started again" in caplog.text
        await redis.aclose()


async def test_no_copy_of_this_process_is_made_on_the_way(tmp_path):
    """A copy of gRPC's threads may fail, or wait forever, before it becomes the store."""
    copies = []
    os.register_at_fork(before=lambda: copies.append("made"))
    async with embedded_store(tmp_path):
        pass
    assert copies == []


async def test_nobody_has_to_wait_for_a_store_that_hangs(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "_STOP_SECONDS", 3_600.0)
    pids, leave = [], asyncio.Event()

    async def use() -> None:
        async with embedded_store(tmp_path) as url:
            redis = Redis.from_url(url)
            pids.append((await redis.info("server"))["process_id"])
            await redis.aclose()
            os.kill(pids[0], signal.SIGSTOP)
            leave.set()

    using = asyncio.create_task(use())
    await leave.wait()
    await asyncio.sleep(0.1)
    assert not using.done(), "it is told to stop, and waited for"
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(using, GENEROUS_SECONDS)
    assert gone(pids[0])


async def test_a_data_folder_serves_one_server_at_a_time(tmp_path):
    async with embedded_store(tmp_path):
        with pytest.raises(StoreStartError, match=f"data_dir: {re.escape(str(tmp_path))} is in use by another server"):
            async with embedded_store(tmp_path):
                pass
    async with embedded_store(tmp_path):
        pass


async def test_a_data_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreStartError, match=r"data_dir: .*file/data cannot be written: Not a directory"):
        async with embedded_store(tmp_path / "file" / "data"):
            pass


async def test_a_store_that_does_not_come_up_names_its_log(tmp_path):
    (tmp_path / "appendonlydir").write_text("in the way")
    with pytest.raises(StoreStartError, match=r"did not come up; see .*valkey\.log"):
        async with embedded_store(tmp_path):
            pass


async def test_a_report_that_fails_does_not_end_the_watch(tmp_path, monkeypatch):
    failed = asyncio.Event()

    def report(_):
        failed.set()
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(embedded, "_CHECK_INTERVAL_SECONDS", 0.02)
    async with embedded_store(tmp_path) as url, Redis.from_url(url) as redis:
        monkeypatch.setattr(TruncationReport, "report", report)
        pid = (await redis.info("server"))["process_id"]
        await failed.wait()
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(GENEROUS_SECONDS):
            while True:
                with suppress(RedisConnectionError):
                    if (await redis.info("server"))["process_id"] != pid:
                        break
                await asyncio.sleep(0.02)
