"""Whether a store that was restarted has what it had acknowledged, and what is counted and logged where it has not."""

from __future__ import annotations

import os
import re
import threading
import time
from contextlib import asynccontextmanager, contextmanager

import pytest

from presage_featurizer.event_log import partition_of, stream_key
from presage_server.store.checking import connect
from presage_server.store.written import LossWatch, WrittenEntries
from support.changes import change_of, page_view, were_made
from support.stores import local_store, opened

NEIGHBOUR = next(f"v{number}" for number in range(10_000) if partition_of(f"v{number}") == partition_of("u"))
"""A visitor whose events go to the same stream as those of ``u``."""


@pytest.fixture
def store(short_directory):
    """Keeps everything over a restart, unless its file is cut off."""
    options = {"appendonly": "yes", "appendfsync": "always", "dir": str(short_directory)}
    with local_store(short_directory / "s", **options) as store:
        yield store


@asynccontextmanager
async def watched(store, view):
    """Watch what is written through a view; yields what looks once, and returns how many events were counted so far."""
    redis, _ = connect(store.url)
    watch = LossWatch(redis, view.link, view.store.written)

    async def look():
        await watch.check()
        return watch.metrics[()].value

    try:
        yield look
    finally:
        await redis.aclose(close_connection_pool=True)


def write(view, user_id, *event_ids):
    (snapshot,) = view.read(user_id)
    assert were_made(view.commit(change_of(snapshot, *(page_view(user_id, each) for each in event_ids)))) == [True]


@contextmanager
def restart_without(store, folder):
    """Restart a store without what is written in this context."""
    (file,) = folder.glob("appendonlydir/*.incr.aof")
    kept = file.stat().st_size
    yield
    store.stop()
    os.truncate(file, kept)
    store.start()


def reconnect(view):
    """Use the connection until it leads to the new process."""
    before = view.link.process
    while view.link.process == before:
        view.read("u")


def restart(store, view):
    store.stop()
    store.start()
    reconnect(view)


async def test_where_all_is_there_nothing_is_counted(store, caplog):
    with opened(store) as view:
        async with watched(store, view) as look:
            write(view, "u", "1", "2")
            assert await look() == 0
            restart(store, view)
            assert await look() == 0
    assert "it has all of the last 1 changes" in caplog.text


async def test_what_is_lost_is_counted_once_whatever_follows_it(store, short_directory, caplog):
    with opened(store) as view:
        async with watched(store, view) as look:
            write(view, "u", "1")
            write(view, NEIGHBOUR, "2")
            with restart_without(store, short_directory):
                write(view, "u", "3", "4")
                write(view, NEIGHBOUR, "5")
                write(view, "another", "6")
            reconnect(view)
            write(view, "u", "7")  # what comes after the restart hides nothing
            assert await look() == 4
            assert [
                record.levelname for record in caplog.records if "4 acknowledged events are lost" in record.message
            ] == ["ERROR"]
            restart(store, view)
            assert await look() == 4


async def test_a_store_that_kept_nothing_has_lost_all(short_directory):
    with local_store(short_directory / "s") as store, opened(store) as view:
        async with watched(store, view) as look:
            write(view, "u", "1", "2", "3")
            restart(store, view)
            assert await look() == 3


async def test_a_stream_that_began_anew_is_not_taken_for_one_that_dropped_entries(short_directory):
    with local_store(short_directory / "s") as store, opened(store) as view:
        async with watched(store, view) as look:
            write(view, "u", "1", "2")
            restart(store, view)
            write(view, "u", "3")
            assert await look() == 2


async def test_what_a_bounded_stream_dropped_is_not_lost(store, short_directory):
    with opened(store) as view:
        async with watched(store, view) as look:
            for event_id in "123":
                write(view, "u", event_id)
            store.redis.xtrim(stream_key(partition_of("u")), maxlen=1)
            with restart_without(store, short_directory):
                write(view, "u", "4")
            reconnect(view)
            assert await look() == 1


@pytest.mark.parametrize("removed", [1, 2])
async def test_what_was_removed_on_purpose_is_not_lost(store, removed):
    """As when visitors are forgotten: the newest of a stream, or all."""
    with opened(store) as view:
        async with watched(store, view) as look:
            write(view, "u", "1")
            write(view, NEIGHBOUR, "2")
            stream = stream_key(partition_of("u"))
            store.redis.xdel(stream, *(entry_id for entry_id, _ in store.redis.xrevrange(stream, count=removed)))
            restart(store, view)
            assert await look() == 0


async def test_when_more_is_lost_than_is_remembered_the_log_says_so(short_directory, caplog):
    with local_store(short_directory / "s") as store, opened(store) as view:
        view.store.written = WrittenEntries(most=2)
        async with watched(store, view) as look:
            for event_id in "123":
                write(view, "u", event_id)
            restart(store, view)
            assert await look() == 2
    assert "at least 2 acknowledged events" in caplog.text


async def test_a_connection_that_broke_is_no_restart(store, caplog):
    with opened(store) as view:
        async with watched(store, view) as look:
            write(view, "u", "1")
            store.redis.client_kill_filter(_type="normal", skipme=True)
            write(view, "u", "2")
            assert view.link.process == 1
            assert await look() == 0
    assert not re.search("another process", caplog.text)


def test_what_is_written_meanwhile_does_not_disturb_who_looks():
    written = WrittenEntries()
    for number in range(1 << 16):
        written.note("a", b"%d-0" % number, 1, 1)
    stop = threading.Event()

    def write():
        for _ in range(10_000):  # not so many that they push the others out
            if stop.is_set():
                return
            written.note("b", b"0-0", 1, 2)
            time.sleep(0.0001)  # the other one goes on

    writing = threading.Thread(target=write)
    writing.start()
    try:
        for _ in range(5):
            (changes,) = written.by_stream(2)
            written.forget(changes[-3:])
            (left,) = written.by_stream(2)
            assert left[-1] == changes[-4]
    finally:
        stop.set()
        writing.join()


def test_what_is_lost_is_remembered_as_long_as_the_change_is():
    written = WrittenEntries(most=3)
    for number in range(3):
        written.note("a", b"%d-0" % number, 1, 1)
    (changes,) = written.by_stream(2)
    written.forget(changes[:2])
    written.note("a", b"3-0", 1, 1)
    written.forget([])
    assert written.by_stream(2) == [[changes[2], ("a", b"3-0", 1, 1)]]
    written.note("b", b"0-0", 1, 1)
    assert len(written.by_stream(2)[0]) == 2
