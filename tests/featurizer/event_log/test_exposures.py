"""Exposures as they are stored: pinned, since logs are read for years, and never trusted."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_featurizer import CorruptStateError
from presage_featurizer.event_log import Entry, Exposure, decode_exposure, encode_exposure

FIELDS = """rank_id user_id session_id as_of_unix_micros last_event model model_version fingerprint epoch placement next_items
degraded k budget_micros cart_micros anchor candidates sources given scores prices stocks blocked shown propensities rules
features arm arm_propensity others"""


def an_exposure(**changes: Any) -> Exposure:
    fields: dict[str, Any] = {
        "rank_id": "0f" * 16,
        "user_id": "ada",
        "session_id": "",
        "as_of_unix_micros": 1_760_000_000_000_000,
        "last_event": b"12345678",
        "model": "ranking",
        "model_version": "3",
        "fingerprint": "ab" * 32,
        "epoch": 29_333_333,
        "placement": "home",
        "next_items": False,
        "degraded": False,
        "k": 2,
        "budget_micros": None,
        "cart_micros": 5_000_000,
        "anchor": 2**64 - 1,
        "candidates": np.array([7, 2**63 + 1, 9], "<u8").tobytes(),
        "sources": bytes([1, 1, 2]),
        "given": np.array([2, 1, 0], "<u2").tobytes(),
        "scores": np.array([2.5, 0.5, -1.0], "<f8").tobytes(),
        "prices": np.array([10.0, 0.0, 3.5], "<f8").tobytes(),
        "stocks": np.array([-1, 0, 12], "<i8").tobytes(),
        "blocked": bytes([0, 0, 1]),
        "shown": np.array([0, 2], "<u2").tobytes(),
        "propensities": np.array([1.0, 0.25], "<f8").tobytes(),
        "rules": ((), ("exploration",)),
        "features": np.arange(6, dtype="<f4").tobytes(),
        "arm": 2,
        "arm_propensity": 0.1,
        "others": (("1", np.array([0.5, 2.5, -1.0], "<f8").tobytes()),),
    }
    return Exposure(**(fields | changes))


def test_what_is_written_is_read():
    exposure = an_exposure()
    read = decode_exposure(encode_exposure(exposure))
    assert read == exposure
    assert read.digests.tolist() == [7, 2**63 + 1, 9]
    assert read.order.tolist() == [0, 2]
    assert read.feature_rows.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert an_exposure(features=b"").feature_rows.shape == (3, 0)


def test_the_order_of_the_fields_is_that_of_stored_logs():
    assert list(Exposure.__struct_fields__) == FIELDS.split()


def test_a_ranking_without_candidates_can_be_stored():
    nothing = dict.fromkeys(
        (
            "candidates",
            "sources",
            "given",
            "scores",
            "prices",
            "stocks",
            "blocked",
            "shown",
            "propensities",
            "features",
        ),
        b"",
    )
    empty = an_exposure(**nothing, rules=(), others=(("1", b""),))
    assert decode_exposure(encode_exposure(empty)).feature_rows.shape == (0, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"candidates": b"1234567"},
        {"sources": b"12"},
        {"scores": b""},
        {"blocked": bytes(4)},
        {"shown": np.array([0, 3], "<u2").tobytes()},
        {"shown": b"\0\0"},
        {"propensities": bytes(8)},
        {"features": bytes(16)},
        {"others": (("1", bytes(24)), ("3", bytes(16)))},
        {"as_of_unix_micros": -1},
        {"as_of_unix_micros": 2**62},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_columns_that_do_not_fit_are_rejected(changes):
    with pytest.raises(CorruptStateError, match=r"^exposure: expected"):
        decode_exposure(encode_exposure(an_exposure(**changes)))


@given(st.binary(max_size=64), st.integers(0, 400), st.integers(0, 64))
def test_damaged_bytes_are_rejected_or_read_and_never_crash(noise, start, length):
    encoded = encode_exposure(an_exposure())
    for damaged in (noise, encoded[:start] + noise + encoded[start + length :]):
        try:
            read = decode_exposure(damaged)
        except CorruptStateError:
            continue
        assert len(read.feature_rows) == len(read.digests)


def test_an_entry_of_a_stream_may_be_an_exposure():
    encoded = encode_exposure(an_exposure())
    entry = Entry.parse(3, b"1760000000000-0", {b"exposure": encoded})
    assert (entry.exposure, entry.event, entry.vector) == (encoded, b"", b"")
    assert not Entry.parse(3, b"1760000000000-0", {b"event": b"e"}).exposure


def test_a_longer_array_of_a_later_release_is_read():
    fields = msgspec.msgpack.decode(encode_exposure(an_exposure()))
    assert decode_exposure(msgspec.msgpack.encode([*fields, "more"])) == an_exposure()
