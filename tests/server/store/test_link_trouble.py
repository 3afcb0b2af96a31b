"""What becomes of requests when the store is away, hangs, or does not take what is written."""

from __future__ import annotations

import logging
import time

import pytest

from presage_server.store.resp import encode
from support.proxies import in_thread
from support.scripted_store import greets, scripted
from support.stores import ask, ask_all, linked, local_store, run_until

OK = [b"OK"]


@pytest.fixture
def named(store):
    """A store in which a few keys hold their own names."""
    store.redis.mset({name: name for name in ("key-0", "key-1", "key-2")})
    return store


def test_a_server_that_hangs_up_at_once_is_not_hammered():
    with in_thread(scripted(greets(None))) as (url, seen), linked(url) as link:
        started = time.monotonic()
        while time.monotonic() - started < 0.5:
            assert ask_all(link, encode("GET", "a")) is None
        greetings = sum(b"SETNAME" in request for request in seen)
        assert greetings < 15 + (time.monotonic() - started) / 0.01


def test_a_store_that_is_down_is_not_hammered_and_used_as_soon_as_it_is_back(short_directory):
    with local_store(short_directory / "away.sock") as store, linked(store.url) as link:
        assert ask(link, "PING") == b"PONG"
        for _ in range(3):
            store.stop()
            for _ in range(20):
                assert ask_all(link, encode("PING")) is None
            store.start()
            run_until(link, lambda: not link.down)
            assert ask(link, "PING") == b"PONG"


def test_a_connection_that_broke_while_idle_is_replaced(named):
    with linked(named.url) as link:
        named.redis.client_kill_filter(_type="normal", skipme=True)
        assert ask(link, "GET", "key-1") == b"key-1"
        assert not link.down


def test_requests_wait_a_moment_for_a_connection_and_no_longer(short_directory):
    with local_store(short_directory / "slow.sock") as store:
        store.stop()
        with linked(store.url, opened=False) as link:
            started = time.monotonic()
            assert ask_all(link, encode("PING")) is None
            assert 0.2 < time.monotonic() - started < 10
            assert link.down
            came = []
            link.send(encode("PING"), 1, came.append)
            assert came == [None], "expected a request to fail at once"
        with linked(store.url, opened=False) as link:
            came = []
            link.send(encode("PING"), 1, came.append)
            link.pump()
            store.start()
            run_until(link, lambda: came)
            assert came in ([[b"PONG"]], [None])  # None: the machine took more than that moment to start a store


def test_what_hangs_goes_down_after_its_time_fails_at_once_and_recovers_after_a_probe(named, caplog):
    with linked(named.url, timeout_seconds=0.2) as link:
        assert ask(link, "PING") == b"PONG"
        caplog.clear()
        with named.frozen():
            came, first = [], time.monotonic()
            link.send(encode("SET", "key-0", "written"), 1, came.append)
            link.send(encode("GET", b"key-0"), 1, came.append)
            run_until(link, lambda: came)
            assert came == [None] * 2
            assert 0.2 <= time.monotonic() - first < 10
            assert link.down
            for _ in range(1_000):
                link.send(encode("PING"), 1, came.append)
            assert came == [None] * 1_002
            time.sleep(0.05)
            link.pump()
            assert link.down, "expected no connection before the probe was answered"
        run_until(link, lambda: not link.down)
        assert ask(link, "GET", "key-1") == b"key-1"
        assert ask(link, "GET", "key-0") == b"written", "what was sent may have run; it was not sent again"
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [text.partition(":")[0] for text in warnings] == ["the store does not answer", "the store answers again"]


def test_a_turn_that_takes_longer_than_the_timeout_does_not_make_the_store_look_hung(named):
    """The reply is there; it was this process that did not look."""
    with linked(named.url, timeout_seconds=0.1) as link:
        came = []

        def with_much_to_do(_: object) -> None:
            link.send(encode("GET", b"key-1"), 1, came.append)
            link.flush()
            time.sleep(0.3)

        link.send(encode("PING"), 1, with_much_to_do)
        run_until(link, lambda: came)
        assert came == [[b"key-1"]]
        link.send(encode("GET", b"key-2"), 1, came.append)
        link.flush()
        time.sleep(0.3)
        run_until(link, lambda: len(came) == 2)
        assert came == [[b"key-1"], [b"key-2"]]
        assert not link.down


def test_a_slow_store_that_answers_in_time_keeps_its_connection(named):
    with linked(named.url, timeout_seconds=0.5) as link:
        first = ask(link, "CLIENT", "ID")
        assert ask(link, "BLPOP", "nothing", "0.05") is None
        assert ask(link, "CLIENT", "ID") == first


def test_a_hung_store_gets_no_more_than_fits(named):
    """One request alone is taken whatever its size."""
    with linked(named.url, max_pending_bytes=10_000, timeout_seconds=60.0) as link:
        assert ask(link, "SET", "big", "x" * 100_000) == b"OK"
        with named.frozen():
            came = []
            for _ in range(20):
                link.send(encode("GET", b"key-0"), 1, came.append)
            link.pump()
            for _ in range(10):
                link.send(encode("GET", b"key-0"), 1, came.append)  # not sent yet
            rejected = []
            link.send(encode("SET", "key-0", "x" * 2_000), 1, rejected.append)
            assert rejected == [None]
        run_until(link, lambda: len(came) == 30)
        assert came == [[b"key-0"]] * 30
        assert ask(link, "GET", "key-1") == b"key-1"
        assert not link.down
        assert link._pending_bytes == 0


@pytest.mark.parametrize("waits", [True, False], ids=["waiting for it", "polling"])
def test_what_the_store_does_not_take_is_written_later(named, waits):
    with linked(named.url, timeout_seconds=60.0) as link:
        came = []
        with named.frozen():
            while link._wire.writable:
                link.send(encode("SET", f"big-{len(came)}", "x" * 100_000), 1, came.append)
                link.flush()
                came.append([])  # stands for the request
            sent = len(came)
            came.clear()
            for number in range(sent, sent + 20):
                link.send(encode("SET", f"big-{number}", "x"), 1, came.append)
            link.pump(0.001 if waits else 0.0)
        run_until(link, lambda: len(came) == sent + 20)
        assert came == [OK] * (sent + 20)
        assert named.redis.exists(*(f"big-{number}" for number in range(sent + 20))) == sent + 20
