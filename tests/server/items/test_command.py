"""``presage items follow`` as a process: it counts, waits for its turn, and ends in good order."""

from __future__ import annotations

import os
import signal
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from presage_featurizer import Item
from presage_server.items.keys import LEASE
from support.items import an_event, loaded, put_event
from support.running_server import GENEROUS_SECONDS


def start(*flags: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PRESAGE_")}
    command = [Path(sysconfig.get_path("scripts"), "presage"), "items", "follow", *flags]
    return subprocess.Popen(
        command, env=environment | {"COLUMNS": "300"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@contextmanager
def following(store) -> Iterator[subprocess.Popen[str]]:
    process = start("--redis-url", store.url, "--bucket-seconds", "1", "--report-seconds", "0.1")
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(condition) -> None:
    deadline = time.monotonic() + GENEROUS_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_it_counts_until_it_is_stopped_and_the_next_one_takes_over(store):
    with following(store) as first:
        until(lambda: store.redis.get(LEASE))
        holder = store.redis.get(LEASE)
        put_event(store, an_event("u", Item("a")))
        until(lambda: loaded(store).ids == ["a"])
        with following(store) as second:
            first.send_signal(signal.SIGTERM)
            out, err = first.communicate(timeout=GENEROUS_SECONDS)
            assert (first.returncode, err) == (0, "")
            assert "presage items follow: ended; epoch=" in out
            assert "items=1" in out
            until(lambda: store.redis.get(LEASE) not in {None, holder})
            put_event(store, an_event("u", Item("b")))
            until(lambda: loaded(store).ids == ["a", "b"])
            assert second.poll() is None


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (
            ("--redis-url", "http://store"),
            "redis_url: expected one of redis://, rediss://, unix://, redis+sentinel://, ",
        ),
        (("--redis-url", "unix:///nowhere.sock"), "redis_url: the store cannot be used"),
        (
            ("--redis-url", "unix:///nowhere.sock", "--bucket-seconds", "7"),
            "bucket_seconds: expected a divisor of 3600",
        ),
        (
            ("--redis-url", "unix:///nowhere.sock", "--report-seconds", "0"),
            "report_seconds: expected more than 0, got 0",
        ),
    ],
)
def test_what_cannot_work_ends_it_with_one_sentence(flags, expected):
    process = start(*flags)
    out, err = process.communicate(timeout=GENEROUS_SECONDS)
    assert (process.returncode, out) == (2, "")
    assert err.startswith(f"presage items follow: {expected}")
    assert len(err.splitlines()) == 1


def test_it_ends_when_the_store_holds_what_it_cannot_read(store):
    store.redis.set("{items}:buckets", "no stream")
    process = start("--redis-url", store.url)
    _, err = process.communicate(timeout=GENEROUS_SECONDS)
    assert process.returncode == 2
    assert "presage items follow: redis_url: the store refuses: WRONGTYPE" in err
