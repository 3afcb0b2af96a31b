"""What a stored blob means."""

from __future__ import annotations

import pytest

from presage_featurizer import CorruptStateError, encode_state, fold
from presage_server.store.snapshot import REVISION_BYTES, Change, Snapshot, read_snapshot
from support.events import event

NOW = 1_700_000_000_000_000
STATE = fold(None, event())


def change(base: Snapshot) -> Change:
    return Change("visitor", base, STATE, [event()])


def test_no_blob_is_a_visitor_without_history():
    assert read_snapshot(None) == Snapshot(None, b"")


def test_what_a_change_writes_is_read_again():
    blob = change(Snapshot(None, b"")).blob(NOW)
    assert read_snapshot(blob) == Snapshot(STATE, NOW.to_bytes(REVISION_BYTES, "big"))


def test_a_first_revision_is_the_clocks_and_the_next_one_is_one_more():
    first = read_snapshot(change(Snapshot(None, b"")).blob(NOW))
    second = change(first).blob(NOW + 10**6)
    assert second[:REVISION_BYTES] == (NOW + 1).to_bytes(REVISION_BYTES, "big")


@pytest.mark.parametrize("blob", [b"", b"x", b"1234567", b"12345678", b"12345678" + b"\0" * 5])
def test_a_short_blob_is_damaged_and_a_new_state_begins_with_the_clocks_revision(blob):
    snapshot = read_snapshot(blob)
    assert (snapshot.state, snapshot.revision) == (None, blob[:REVISION_BYTES])
    assert isinstance(snapshot.damage, CorruptStateError)
    assert change(snapshot).blob(NOW)[:REVISION_BYTES] == NOW.to_bytes(REVISION_BYTES, "big")


def test_a_flipped_bit_anywhere_in_the_state_is_noticed():
    blob = change(Snapshot(None, b"")).blob(NOW)
    unnoticed = []
    for position in range(REVISION_BYTES * 8, len(blob) * 8):
        flipped = bytearray(blob)
        flipped[position // 8] ^= 1 << position % 8
        if read_snapshot(bytes(flipped)).damage is None:
            unnoticed.append(position)
    assert unnoticed == []


def test_equal_states_give_equal_bytes():
    assert encode_state(STATE) == encode_state(fold(None, event()))
