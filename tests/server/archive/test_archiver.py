"""Archiving, in this process and from a real store: the files hold the streams exactly, wherever it was broken off."""

from __future__ import annotations

import os
from threading import Event as Flag

import msgspec
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from presage_featurizer.digests import digest
from presage_featurizer.event_log import partition_of, stream_key
from presage_server.eventlog.consumer_group import ConsumerGroup
from presage_server.eventlog.poller import Poller
from presage_training.readers.formats.archive import read_archived_vectors
from support.archives import (
    archive_once,
    archiver,
    assert_equal_to_streams,
    log_event,
    log_vector,
    logged_vectors,
    places,
    read,
    streams,
)
from support.events import DAY_MICROS, STORY
from support.vectors import a_vector


def events(count: int, *, first: int = 0, visitors: int = 40):
    """Events of several visitors on two days."""
    return [
        msgspec.structs.replace(
            STORY[number % len(STORY)],
            event_id=f"e-{number}",
            user_id=f"visitor-{number % visitors}",
            event_time_unix_micros=STORY[0].event_time_unix_micros + number % 2 * DAY_MICROS,
        )
        for number in range(first, first + count)
    ]


def log(store, many) -> None:
    for place, event in enumerate(many):
        log_event(store.redis, event, fresh=place % 10 == 0)


def groups(store, user_id: str = "visitor-0"):
    return store.redis.xinfo_groups(stream_key(partition_of(user_id)))


def test_everything_is_archived_once_and_then_only_what_is_new(store, tmp_path):
    log(store, events(300))
    assert archive_once(store, tmp_path, max_batch_events=70) == []
    assert_equal_to_streams(tmp_path, store.redis)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("events/*/*")}
    archive_once(store, tmp_path)
    log(store, events(50, first=300))
    archive_once(store, tmp_path)
    assert_equal_to_streams(tmp_path, store.redis)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.glob("events/*/*")}
    assert before.items() <= after.items(), "a file changed after it was there"
    assert len(after) == len(before) + 2, "one more batch, of two days"
    (group,) = groups(store)
    assert (group["pending"], group["lag"]) == (0, 0)


def test_an_empty_store_makes_an_empty_archive(store, tmp_path):
    assert archive_once(store, tmp_path) == []
    assert read(tmp_path) == []
    assert places(tmp_path) == []


def test_a_late_event_joins_its_day_and_keeps_its_place_in_the_visitors_order(store, tmp_path):
    today, late, next_day = (
        msgspec.structs.replace(
            STORY[0], event_id=str(days), event_time_unix_micros=10 * DAY_MICROS + days * DAY_MICROS
        )
        for days in (0, -9, 1)
    )
    for event in (today, late, next_day):
        log_event(store.redis, event)
        archive_once(store, tmp_path)
    assert [each.event for each in read(tmp_path)] == [today, late, next_day]
    assert sorted(path.name for path in (tmp_path / "events").iterdir()) == [
        "day=1970-01-02",
        "day=1970-01-11",
        "day=1970-01-12",
    ]


def test_a_stream_that_gets_everything_is_read_to_its_end(store, tmp_path):
    log(store, events(1_500, visitors=1))
    archive_once(store, tmp_path)
    assert_equal_to_streams(tmp_path, store.redis)


def test_two_archives_of_one_store_are_both_complete(store, tmp_path):
    for first in (0, 60):
        log(store, events(60, first=first))
        for name in ("a", "b"):
            archive_once(store, tmp_path / name)
    assert_equal_to_streams(tmp_path / "a", store.redis)
    assert_equal_to_streams(tmp_path / "b", store.redis)


class Crash(BaseException):
    """The end of the process, as far as a test can have it within one."""


class Fuse:
    """Ends the process at the nth of the calls that leave a mark outside of it."""

    def __init__(self, monkeypatch, after: int) -> None:
        self.left = after
        for owner, name in ((os, "replace"), (os, "fsync"), (ConsumerGroup, "acknowledge"), (ConsumerGroup, "seek")):
            monkeypatch.setattr(owner, name, self.wrap(getattr(owner, name)))

    def wrap(self, call):
        def wrapped(*arguments, **named):
            if self.left == 0:
                raise Crash
            self.left -= 1
            return call(*arguments, **named)

        return wrapped


def unacknowledged(store) -> int:
    """Count what is pending in any group, and remove all groups."""
    pipeline = store.redis.pipeline(transaction=False)
    keys = list(store.redis.scan_iter("*:events"))
    for key in keys:
        pipeline.xinfo_groups(key)
    pending = 0
    for key, found in zip(keys, pipeline.execute(), strict=True):
        for group in found:
            pending += group["pending"]
            pipeline.xgroup_destroy(key, group["name"])
    pipeline.execute()
    return pending


@pytest.mark.slow
def test_a_crash_at_any_step_loses_nothing_and_repeats_nothing(store, tmp_path):
    """Each step in turn, with an archive of its own; reading an archive in between never shows half a batch."""
    log(store, events(40))
    for event in events(10):
        fields = {"user_id": event.user_id, "as_of_unix_micros": event.event_time_unix_micros}
        log_vector(store.redis, a_vector(**fields, last_event=digest(event.event_id)))
    everything, vectors = streams(store.redis), logged_vectors(store.redis)
    steps = 0
    while True:
        directory = tmp_path / str(steps)
        with pytest.MonkeyPatch.context() as monkeypatch:
            fuse = Fuse(monkeypatch, steps)
            try:
                archive_once(store, directory, max_batch_events=25)
            except Crash:
                ended = False
            else:
                ended = True
        if ended:
            assert fuse.left == 0, "a step was passed over"
            break
        seen = places(directory)
        assert len(seen) == len(set(seen))
        assert set(seen) <= everything.keys()
        seen = places(directory, "vectors")
        assert len(seen) == len(set(seen))
        assert set(seen) <= vectors.keys()
        if (directory / "archive.json").exists():
            # A batch has 25 entries or more, so these are no, one or two batches: its events and its vectors together.
            assert len(read(directory)) + len(list(read_archived_vectors(directory))) in {0, *range(25, 51)}
        archive_once(store, directory)
        assert_equal_to_streams(directory, store.redis)
        assert unacknowledged(store) == 0
        steps += 1
    assert steps > 20


def test_what_left_the_streams_unread_is_reported_counted_and_remembered(store, tmp_path):
    log(store, events(30, visitors=1))
    archive_once(store, tmp_path)
    key = stream_key(partition_of("visitor-0"))
    log(store, events(20, first=30, visitors=1))
    store.redis.xtrim(key, maxlen=5, approximate=False)
    (line,) = archive_once(store, tmp_path)
    assert line.startswith(
        f"LOST: 15 events left the streams before they were archived (partition {key[2:].split('}')[0]}"
    )
    assert [each.event.event_id for each in read(tmp_path)] == [f"e-{n}" for n in (*range(30), *range(45, 50))]
    assert archive_once(store, tmp_path) == [], "it is reported once"
    warnings: list[str] = []
    with archiver(store, tmp_path, warnings, max_batch_events=10) as made:
        made.prepare()
        assert made.progress.lost == 15


def test_a_loss_with_nothing_after_it_is_reported_as_well(store, tmp_path):
    archive_once(store, tmp_path)
    log(store, events(3, visitors=1))
    store.redis.xtrim(stream_key(partition_of("visitor-0")), maxlen=0, approximate=False)
    (line,) = archive_once(store, tmp_path)
    assert line.startswith("LOST: 3 events")
    assert archive_once(store, tmp_path) == []


def test_what_was_gone_before_the_archive_began_is_not_its_loss(store, tmp_path):
    log(store, events(30, visitors=1))
    store.redis.xtrim(stream_key(partition_of("visitor-0")), maxlen=5, approximate=False)
    assert archive_once(store, tmp_path) == []
    assert_equal_to_streams(tmp_path, store.redis)


def test_a_store_that_was_emptied_is_reported_and_followed_on(store, tmp_path):
    log(store, events(30))
    archive_once(store, tmp_path)
    store.redis.flushall()
    log(store, events(20, first=30))
    (line, *_) = archive_once(store, tmp_path)
    assert line.startswith("STREAM RESET: the store does not hold the streams that were archived so far")
    assert {each.event.event_id for each in read(tmp_path)} == {f"e-{number}" for number in range(50)}
    assert len(places(tmp_path)) == 50
    assert archive_once(store, tmp_path) == []


def test_a_store_that_goes_away_and_comes_back_is_waited_for(store, tmp_path, monkeypatch):
    """A reply that was lost on its way is asked for again; what was emptied meanwhile is followed on."""
    log(store, events(40))
    warnings: list[str] = []
    stop = Flag()
    reads = 0
    original = ConsumerGroup.read

    def breaks(self, partitions):
        nonlocal reads
        reads += 1
        reading = original(self, partitions)
        if reads in {3, 40}:
            raise RedisConnectionError("broken on purpose")
        if reads == 120:
            store.redis.flushall()
            log(store, events(10, first=40))
        return reading

    def on_step():
        if made.progress.archived + made.progress.pending >= 50:
            stop.set()

    monkeypatch.setattr(ConsumerGroup, "read", breaks)
    with archiver(store, tmp_path, warnings, max_batch_events=1_000) as made:
        Poller(made, once=False, flush_seconds=0.05, warn=made.warn).run(stop=stop, on_step=on_step)
    assert warnings[:2] == ["the store does not answer (broken on purpose); waiting for it", "the store answers again"]
    assert sorted(each.event.event_id for each in read(tmp_path)) == sorted(f"e-{number}" for number in range(50))
