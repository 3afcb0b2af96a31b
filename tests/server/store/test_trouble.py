"""A store that rejects commands: one line in the log when that starts, one when it ends, and a metric for each kind."""

from __future__ import annotations

import logging
import shutil
import time

import pytest
from prometheus_client import CollectorRegistry

from presage_server.store.resp import ReplyError
from presage_server.store.trouble import StoreTrouble, Trouble
from support.changes import NOTHING, change_of, page_view, were_made
from support.proxies import in_thread
from support.scripted_store import greets, scripted
from support.stores import GENEROUS_SECONDS, local_store, opened, run_until

CALLS = 60


def lines(caplog) -> list[str]:
    """Return the log from INFO up, and forget it."""
    found = [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
    caplog.clear()
    return found


@pytest.fixture(autouse=True)
def _logged(caplog):
    caplog.set_level(logging.INFO)


def value(trouble: StoreTrouble, series: str, kind: str) -> float | None:
    """Return a metric."""
    registry = CollectorRegistry()
    registry.register(trouble)
    return registry.get_sample_value(f"presage_store_{series}", {"kind": kind})


class Watched:
    """Trouble by a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.trouble = StoreTrouble(lambda: True, lambda: 3, lambda: self.now)

    def reject(self, text: str, times: int = 1) -> None:
        for _ in range(times):
            self.trouble.note_rejection(ReplyError(text))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", "full"),
        ("ERR Error running script (call to f_1): @user_script:9: OOM command not allowed when used memory", "full"),
        ("READONLY You can't write against a read only replica.", "read_only"),
        ("MASTERDOWN Link with MASTER is down", "read_only"),
        ("ERR Error running script: -READONLY You can't write against a read only replica.", "read_only"),
        ("MISCONF Errors writing to the AOF file: No space left on device", "disk"),
        ("LOADING Redis is loading the dataset in memory", "loading"),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", "other"),
    ],
)
def test_every_error_has_a_kind(text, kind):
    assert Trouble.of(ReplyError(text)).value == kind


def test_one_line_when_it_starts_and_one_when_it_ends(caplog):
    watched = Watched()
    trouble = watched.trouble
    trouble.note_write()
    assert not trouble.lasts
    watched.reject("OOM command not allowed", 1_000)
    watched.now += 12.0
    watched.reject("OOM command not allowed", 500)
    (started,) = lines(caplog)
    assert started.startswith("the store is out of memory")
    assert value(trouble, "trouble", "full") == 1.0
    # At its limit, it takes some writes and rejects others: that is one trouble, not hundreds.
    for _ in range(100):
        watched.now += 0.9
        trouble.note_write()
        watched.reject("OOM command not allowed")
    assert lines(caplog) == []
    watched.now += 1.0
    trouble.note_write()
    assert lines(caplog) == ["the store takes commands again: it had rejected 1600 in 102 s (full)"]
    assert not trouble.lasts
    assert [value(trouble, name, "full") for name in ("trouble", "trouble_starts_total", "rejections_total")] == [
        0.0,
        1.0,
        1_600.0,
    ]
    watched.reject("OOM command not allowed")
    watched.now += 1.0
    trouble.note_write()
    assert lines(caplog)[1:] == ["the store takes commands again: it had rejected 1 in 0 s (full)"]


def test_kinds_are_told_apart(caplog):
    watched = Watched()
    trouble = watched.trouble
    watched.reject("MISCONF Errors writing to the AOF file: No space left on device", 2)
    watched.reject("WRONGTYPE wrong kind")
    watched.now += 2.0
    watched.reject("WRONGTYPE wrong kind")
    trouble.note_write()
    disk, other, ended = lines(caplog)
    assert disk.endswith("(MISCONF Errors writing to the AOF file: No space left on device)")
    assert other == "the store rejects commands (WRONGTYPE wrong kind)"
    assert ended == "the store takes commands again: it had rejected 2 in 0 s (disk)"
    assert [value(trouble, "trouble", kind) for kind in ("disk", "other", "unreachable")] == [0.0, 1.0, 1.0]
    assert value(trouble, "trouble_starts_total", "unreachable") == 3.0
    assert [value(trouble, "rejections_total", kind) for kind in ("disk", "other", "loading")] == [2.0, 2.0, 0.0]


def reject_many(view) -> None:
    base = view.read_one()
    for number in range(CALLS):
        (result,) = view.commit(change_of(base, page_view(event_id=f"rejected {number}")))
        assert not isinstance(result, bytes)


def recover(view) -> None:
    """Write until the trouble is over."""
    number = 0
    while view.store.trouble.lasts:
        base = view.read_one()
        (made,) = were_made(view.commit(change_of(base, page_view(event_id=f"taken {number}"))))
        assert made
        number += 1
        time.sleep(0.05)


@pytest.mark.parametrize("kind", ["full", "disk"])
def test_a_store_that_is_full_or_whose_disk_fails(short_directory, caplog, kind):
    folder = short_directory / f"data-{kind}"
    folder.mkdir()
    with local_store(short_directory / f"{kind}.sock", dir=str(folder)) as store, opened(store) as view:
        view.commit(change_of(NOTHING, page_view(event_id="1")))
        caplog.clear()
        if kind == "full":
            store.redis.config_set("maxmemory", "1")
        else:
            store.redis.config_set("save", "900 1000000")
            shutil.rmtree(folder)  # as a full disk, it cannot be written to
            store.redis.bgsave()
            while store.redis.info("persistence")["rdb_last_bgsave_status"] == "ok":
                time.sleep(0.01)
        reject_many(view)
        (started,) = lines(caplog)
        assert {"full": "OOM", "disk": "MISCONF"}[kind] in started
        assert value(view.store.trouble, "trouble", kind) == 1.0
        assert value(view.store.trouble, "rejections_total", kind) == CALLS
        store.redis.config_set("maxmemory", "0")
        store.redis.config_set("save", "")
        store.redis.config_set("stop-writes-on-bgsave-error", "no")
        recover(view)
        (ended,) = lines(caplog)
        assert ended.startswith(f"the store takes commands again: it had rejected {CALLS} in ")
        assert value(view.store.trouble, "trouble", kind) == 0.0


def test_a_store_that_was_demoted(short_directory, caplog):
    with local_store(short_directory / "replica.sock") as store, opened(store) as view:
        view.commit(change_of(NOTHING, page_view(event_id="1")))
        base = view.read_one()
        caplog.clear()
        store.redis.execute_command("REPLICAOF", "127.0.0.1", "1")
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            view.commit(change_of(base, page_view(event_id="rejected")))
            view.link.pump(0.01)
            time.sleep(0.01)
        (started,) = lines(caplog)
        assert started.startswith("the store is a read-only replica")
        assert view.link.down
        assert value(view.store.trouble, "trouble", "read_only") == 1.0
        assert value(view.store.trouble, "trouble", "unreachable") == 1.0
        store.redis.execute_command("REPLICAOF", "NO", "ONE")
        run_until(view.link, lambda: not view.link.down)
        recover(view)
        (ended,) = lines(caplog)
        assert ended.endswith("(read_only)")


def test_a_store_that_calls_itself_a_primary_and_takes_no_writes(caplog):
    """As some proxies do; each new connection looks good until the first write."""

    def answer(request: bytes, _number: int) -> bytes:
        return b"-READONLY You can't write against a read only replica.\r\n" if b"EVAL" in request else b"$-1\r\n"

    with in_thread(scripted(greets(answer))) as (url, seen), opened(None, url=url) as view:
        until = time.monotonic() + GENEROUS_SECONDS
        while view.link.outages < 2:
            assert time.monotonic() < until, "waited in vain"
            view.commit(change_of(NOTHING, page_view()))
            view.link.pump(0.01)
            time.sleep(0.01)
        assert sum(b"SETNAME" in request for request in seen) >= 2, "expected another connection"
        (started,) = [line for line in lines(caplog) if "store" in line]
        assert started.startswith("the store is a read-only replica")
