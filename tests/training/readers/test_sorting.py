from __future__ import annotations

import errno
import random
import tempfile
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_featurizer import Event, EventType, Item
from presage_training.errors import TrainingError
from presage_training.readers import sorted_by_time


def event(time, number=0):
    return Event(f"e{number}", EventType.VIEW_ITEM, "ann", time, items=(Item("lamp", price_micros=5),))


def by_time(event):
    return event.event_time_unix_micros


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder of temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@given(times=st.lists(st.integers(1, 5), max_size=30), memory_events=st.integers(1, 31))
def test_it_is_a_stable_sort_however_little_fits(times, memory_events):
    events = [event(time, number) for number, time in enumerate(times)]

    assert list(sorted_by_time(iter(events), memory_events=memory_events)) == sorted(events, key=by_time)


def test_runs_longer_than_a_chunk_are_read_whole():
    rng = random.Random(3)
    events = [event(rng.randrange(1, 10**15), number) for number in range(20_000)]

    assert list(sorted_by_time(events, memory_events=6_000)) == sorted(events, key=by_time)


def test_events_larger_than_a_chunk_are_read_whole():
    events = [Event("e", EventType.PURCHASE, "ann", time, items=(Item("x" * 200_000),)) for time in (3, 1, 2)]

    assert list(sorted_by_time(events, memory_events=1)) == sorted(events, key=by_time)


def test_nothing_is_left_behind(temporary):
    reading = sorted_by_time(map(event, range(100, 0, -1)), memory_events=10)
    assert next(reading).event_time_unix_micros == 1
    assert list(temporary.iterdir()) == []
    reading.close()

    def broken():
        yield from map(event, range(1, 50))
        raise RuntimeError("the log ends here")

    with pytest.raises(RuntimeError, match="the log ends here"):
        list(sorted_by_time(broken(), memory_events=10))
    assert list(temporary.iterdir()) == []


def test_what_fits_needs_no_file(monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", None)

    assert list(map(by_time, sorted_by_time(map(event, (3, 1, 2)), memory_events=3))) == [1, 2, 3]


def test_memory_is_bounded(temporary):
    def peak_bytes(events):
        tracemalloc.start()
        try:
            previous = 0
            for each in sorted_by_time((event(10**6 - number) for number in range(events)), memory_events=1_000):
                assert each.event_time_unix_micros > previous
                previous = each.event_time_unix_micros
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # Each run adds one chunk to read from.
    assert peak_bytes(20_000) < 2 * peak_bytes(2_000) + 20 * 3 * 65_536


def test_a_full_disk_is_named(monkeypatch, temporary):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def tell(self):
            return 0

        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)

    with pytest.raises(TrainingError) as failure:
        list(sorted_by_time(map(event, range(10)), memory_events=3))
    assert str(failure.value) == (
        f"{temporary}: No space left on device while sorting the log; set TMPDIR to a folder with room for twice the log"
    )


def test_no_memory_at_all_is_refused():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        sorted_by_time([], memory_events=0)
