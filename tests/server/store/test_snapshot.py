"""What a stored blob means."""

from __future__ import annotations

import pytest

from presage_featurizer import CorruptStateError, State, encode_state, fold
from presage_server.store.snapshot import REVISION_BYTES, WRITER_BYTES, Change, Snapshot, read_snapshot, read_state
from support.events import event

NOW = 1_700_000_000_000_000
STATE = fold(None, event())
WRITER = b"wr"
NEVER_SEEN = Snapshot(None, b"")


def revision(count: int, writer: bytes = WRITER) -> bytes:
    return count.to_bytes(REVISION_BYTES - WRITER_BYTES, "big") + writer


FIRST = revision(NOW // 1_000)


def change(base: Snapshot) -> Change:
    return Change("visitor", base, STATE, [event()])


def test_no_blob_is_a_visitor_without_history():
    assert read_snapshot(None) == Snapshot(None, b"")


def test_what_a_change_writes_is_read_again():
    blob = change(NEVER_SEEN).blob(NOW, WRITER)
    assert read_snapshot(blob) == Snapshot(STATE, FIRST)


def test_a_first_count_is_the_clocks_milliseconds_and_the_next_one_is_one_more_whoever_writes_it():
    first = read_snapshot(change(NEVER_SEEN).blob(NOW, WRITER))
    second = change(first).blob(NOW + 10**6, b"ot")
    assert second[:REVISION_BYTES] == revision(NOW // 1_000 + 1, b"ot")


def test_a_count_that_is_full_begins_anew():
    full = Snapshot(STATE, b"\xff" * REVISION_BYTES)
    assert change(full).blob(NOW, WRITER)[:REVISION_BYTES] == revision(0)
    assert change(NEVER_SEEN).blob(2**63 - 1, WRITER)[:REVISION_BYTES] == revision((2**63 - 1) // 1_000 % 2**48)


def test_two_writers_changes_of_the_same_state_differ_in_the_revision_alone():
    one, other = (change(NEVER_SEEN).blob(NOW, writer) for writer in (b"on", b"ot"))
    assert one[:REVISION_BYTES] != other[:REVISION_BYTES]
    assert one[REVISION_BYTES:] == other[REVISION_BYTES:]


@pytest.mark.parametrize("blob", [b"", b"x", b"1234567", b"12345678", b"12345678" + b"\0" * 5])
def test_a_short_blob_is_damaged_and_a_new_state_begins_with_the_clocks_revision(blob):
    snapshot = read_snapshot(blob)
    assert (snapshot.state, snapshot.revision) == (None, blob[:REVISION_BYTES])
    assert isinstance(snapshot.damage, CorruptStateError)
    assert change(snapshot).blob(NOW, WRITER)[:REVISION_BYTES] == FIRST


def test_a_flipped_bit_anywhere_in_the_state_is_noticed():
    blob = change(NEVER_SEEN).blob(NOW, WRITER)
    unnoticed = []
    for position in range(REVISION_BYTES * 8, len(blob) * 8):
        flipped = bytearray(blob)
        flipped[position // 8] ^= 1 << position % 8
        if read_snapshot(bytes(flipped)).damage is None:
            unnoticed.append(position)
    assert unnoticed == []


def test_equal_states_give_equal_bytes():
    assert encode_state(STATE) == encode_state(fold(None, event()))


@pytest.mark.parametrize("needs", [frozenset({"habits"}), frozenset()], ids=["habits", "core"])
def test_a_state_to_look_at_has_habits_only_where_they_are_needed(needs):
    blob = change(NEVER_SEEN).blob(NOW, WRITER)
    state = read_state(blob, needs)
    assert isinstance(state, State) is bool(needs)
    assert state.last_seen_unix_micros == STATE.last_seen_unix_micros
    assert read_state(None, needs) is None
    assert isinstance(read_state(blob[:-1], needs), CorruptStateError)
