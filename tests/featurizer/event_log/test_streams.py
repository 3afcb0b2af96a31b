"""The layout of the event streams, which no release may change."""

from __future__ import annotations

import msgspec
import pytest

from presage_featurizer import CorruptStateError, fold
from presage_featurizer.digests import digest
from presage_featurizer.event_log import (
    EVENT_FIELD,
    NO_PRIOR_STATE_FIELD,
    PARTITIONS,
    VECTOR_FIELD,
    Entry,
    EntryId,
    decode_served_vector,
    encode_served_vector,
    last_event_of,
    partition_of,
    stream_key,
)
from presage_featurizer.view import MAX_UNIX_MICROS
from support.events import STORY
from support.vectors import a_vector

VECTOR = a_vector()


@pytest.mark.parametrize(
    ("user_id", "partition"), [("", 0), ("visitor", 415), ("u1", 886), ("Zoë", 554), ("x" * 256, 528), ("a:{b}", 560)]
)
def test_a_visitors_partition_never_changes(user_id, partition):
    assert partition == partition_of(user_id)


def test_visitors_spread_over_all_partitions():
    counts = [0] * PARTITIONS
    for number in range(50 * PARTITIONS):
        counts[partition_of(f"visitor-{number}")] += 1
    assert min(counts) > 15
    assert max(counts) < 150


def test_the_stored_names_never_change():
    assert (EVENT_FIELD, NO_PRIOR_STATE_FIELD, VECTOR_FIELD, stream_key(886)) == (
        "event",
        "fresh",
        "vector",
        "{p886}:events",
    )


def test_ids_are_ordered_by_both_halves_and_written_as_the_store_does():
    ids = [EntryId.parse(text) for text in (b"9-10", b"10-9", b"10-10")]
    assert ids == sorted(ids)
    assert [str(entry_id) for entry_id in ids] == ["9-10", "10-9", "10-10"]


@pytest.mark.parametrize(
    ("fields", "entry"),
    [
        ({b"event": b"e"}, Entry(3, EntryId(7, 1), b"e", no_prior_state=False)),
        ({b"event": b"e", b"fresh": b"1"}, Entry(3, EntryId(7, 1), b"e", no_prior_state=True)),
        ({b"vector": b"v"}, Entry(3, EntryId(7, 1), b"", no_prior_state=False, vector=b"v")),
        ({b"other": b"o"}, Entry(3, EntryId(7, 1), b"", no_prior_state=False)),
    ],
)
def test_an_entry_is_read_by_the_names_of_its_fields(fields, entry):
    assert Entry.parse(3, b"7-1", fields) == entry


def test_the_bytes_of_a_vector_never_change():
    encoded = encode_served_vector(VECTOR)
    assert encoded.hex() == (
        "9da776697369746f72a173cf000617592aed8000c4083132333435363738aa636f6e76657273696f6ea131a166c410"
        "000000000000008001000000cdcccc3dcb3fd0000000000000"
        "00cb3ff0000000000000c290"
    )
    assert decode_served_vector(encoded) == VECTOR


def test_the_bytes_of_a_pair_never_change():
    pair = msgspec.structs.replace(VECTOR, arm=2, propensity=0.25, prior=True, others=(("1.2", 0.5), ("3", 0.125)))
    encoded = encode_served_vector(pair)
    assert encoded.hex().partition("3fd0000000000000")[2] == (
        "02cb3fd0000000000000c39292a3312e32cb3fe000000000000092a133cb3fc0000000000000"
    )
    assert decode_served_vector(encoded) == pair


def test_a_vector_of_an_older_release_is_of_no_arm_and_no_pair():
    older = bytes.fromhex(
        "99a776697369746f72a173cf000617592aed8000c4083132333435363738aa636f6e76657273696f6ea131a166c410"
        "000000000000008001000000cdcccc3dcb3fd0000000000000"
    )
    assert decode_served_vector(older) == VECTOR
    assert (VECTOR.arm, VECTOR.propensity, VECTOR.prior, VECTOR.others) == (0, 1.0, False, ())


def test_the_features_of_a_vector_are_its_values_bit_for_bit():
    assert VECTOR.features.dtype == "float32"
    assert VECTOR.features.tobytes() == VECTOR.values


@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"garbage", id="garbage"),
        pytest.param(encode_served_vector(VECTOR)[:-1], id="cut off"),
        pytest.param(b"\x9d\xa1\xff" + encode_served_vector(VECTOR)[9:], id="not UTF-8"),
        pytest.param(encode_served_vector(msgspec.structs.replace(VECTOR, values=b"12345")), id="half a value"),
        pytest.param(encode_served_vector(a_vector(as_of_unix_micros=MAX_UNIX_MICROS + 1)), id="too late"),
        pytest.param(encode_served_vector(a_vector(as_of_unix_micros=-1)), id="too early"),
    ],
)
def test_bytes_that_are_not_a_vector_are_rejected(encoded):
    with pytest.raises(CorruptStateError, match="served vector: "):
        decode_served_vector(encoded)


def test_the_last_event_of_a_state():
    state = None
    assert last_event_of(state) == b""
    for event in STORY[:3]:
        state = fold(state, event)
        assert last_event_of(state) == digest(event.event_id)
