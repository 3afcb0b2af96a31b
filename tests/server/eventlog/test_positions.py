"""Whether entries that leave a stream unread are noticed, against a model of a stream that knows."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_featurizer.event_log import EntryId, Position
from presage_server.eventlog.positions import DiscontinuityKind, StreamInfo, check_continuity


@dataclass
class Stream:
    """A stream, and a reader that uses ``check_continuity``."""

    entries: list[int] = field(default_factory=list)
    added: int = 0
    position: Position = field(default_factory=lambda: Position(counted=0))
    read: set[int] = field(default_factory=set)
    removed_unread: int = 0
    reported: int = 0

    def add(self, count: int) -> None:
        self.entries += range(self.added + 1, self.added + count + 1)
        self.added += count

    def remove(self, places: list[int]) -> None:
        gone = {self.entries[place] for place in places}
        self.removed_unread += len(gone - self.read)
        self.entries = [entry for entry in self.entries if entry not in gone]

    def trim(self, keep: int) -> None:
        self.remove(list(range(max(len(self.entries) - keep, 0))))

    def info(self) -> StreamInfo:
        first = EntryId(self.entries[0], 0) if self.entries else None
        newest = EntryId(self.entries[-1], 0) if self.entries else None
        return StreamInfo(len(self.entries), first, newest, EntryId(self.added, 0), self.added)

    def look(self, count: int) -> None:
        position, found = check_continuity(self.position, self.info())
        if found is not None:
            assert found.kind is DiscontinuityKind.LOST
            self.reported += found.entries
        following = [entry for entry in self.entries if entry > position.last.unix_millis][:count]
        self.read |= set(following)
        if following:
            assert position.counted is not None
            position = Position(EntryId(following[-1], 0), position.counted + len(following), position.lost)
        self.position = position


actions = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 10)),
        st.tuples(st.just("trim"), st.integers(0, 10)),
        st.tuples(st.just("look"), st.integers(1, 8)),
    ),
    max_size=30,
)


@given(actions)
def test_what_is_trimmed_unread_is_counted_exactly_and_before_anything_later_is_read(log):
    stream = Stream()
    for action, number in log:
        getattr(stream, action)(number)
        if action == "look":
            assert stream.reported == stream.removed_unread == stream.position.lost
    stream.look(1_000)
    assert stream.reported == stream.removed_unread == stream.position.lost


@given(actions, st.data())
def test_what_is_deleted_unread_is_counted_by_the_time_that_all_is_read(log, data):
    """Not by trimming: somewhere in the middle, as nobody but an operator does."""
    stream = Stream()
    for action, number in log:
        getattr(stream, action)(number)
        if stream.entries and data.draw(st.booleans()):
            stream.remove(data.draw(st.lists(st.integers(0, len(stream.entries) - 1), max_size=3)))
    stream.look(1_000)
    stream.look(1_000)
    assert stream.reported == stream.removed_unread == stream.position.lost


FOLLOWED = Position(EntryId(100, 3), counted=50, lost=2)


@pytest.mark.parametrize(
    "info",
    [
        pytest.param(StreamInfo(0, None, None, EntryId(0, 0), 0), id="emptied"),
        pytest.param(StreamInfo(10, EntryId(5, 0), EntryId(99, 0), EntryId(99, 0), 40), id="restored from a backup"),
        pytest.param(
            StreamInfo(7, EntryId(200, 0), EntryId(300, 0), EntryId(300, 0), 7), id="emptied and filled again"
        ),
        pytest.param(
            StreamInfo(30, EntryId(5, 0), EntryId(300, 0), EntryId(300, 0), 40),
            id="restored from a backup, then it went on",
        ),
    ],
)
def test_another_stream_in_the_place_of_the_one_that_was_followed_is_noticed_once(info):
    position, found = check_continuity(FOLLOWED, info)
    assert found is not None
    assert found.kind is DiscontinuityKind.STREAM_RESET
    assert (position.last, position.lost) == (FOLLOWED.last, 2)
    assert check_continuity(position, info)[1] is None


def test_without_a_count_a_loss_is_suspected_once_the_last_entry_read_has_left():
    """As on Redis 6.2."""
    followed = Position(EntryId(100, 0))
    still_there = StreamInfo(2, EntryId(100, 0), EntryId(101, 0), EntryId(101, 0), None)
    caught_up = StreamInfo(0, None, None, EntryId(100, 0), None)
    gone = StreamInfo(2, EntryId(101, 0), EntryId(102, 0), EntryId(102, 0), None)
    assert check_continuity(followed, still_there)[1] is check_continuity(followed, caught_up)[1] is None
    found = check_continuity(followed, gone)[1]
    assert found is not None
    assert found.kind is DiscontinuityKind.MAYBE_LOST
    assert check_continuity(Position(), gone)[1] is None, "a new archive misses nothing"


def test_counting_begins_when_the_store_learns_to_count():
    position, found = check_continuity(
        Position(EntryId(100, 0)), StreamInfo(1, EntryId(100, 0), EntryId(100, 0), EntryId(100, 0), 20)
    )
    assert (position.counted, found) == (20, None)
