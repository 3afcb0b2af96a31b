"""Baselines: what is written is read, and what is no baseline is rejected."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields, replace

import numpy as np
import pytest

from presage_export.drift import Baseline, join_baselines, pack_baseline, unpack_baseline
from support.drifting import COLUMNS, a_baseline


@pytest.fixture(scope="module")
def baseline():
    return a_baseline()


def test_what_is_written_is_read(baseline):
    data = pack_baseline(baseline)
    read = unpack_baseline(data, columns=len(COLUMNS))
    assert all(
        np.array_equal(getattr(read, each.name), getattr(baseline, each.name), equal_nan=True)
        for each in fields(Baseline)
    )
    assert pack_baseline(read) == data
    assert len(data) < 20_000


def test_the_same_rows_give_the_same_baseline(baseline):
    assert pack_baseline(a_baseline()) == pack_baseline(baseline)


def test_columns_side_by_side(baseline):
    joined = join_baselines([baseline, baseline])
    assert joined.layout.columns == 2 * len(COLUMNS)
    assert joined.counts.tolist() == [*baseline.counts, *baseline.counts]
    unpack_baseline(pack_baseline(joined), columns=2 * len(COLUMNS))


@pytest.mark.parametrize("damaged", [b"", b"PK\x03\x04", b"\x00" * 100])
def test_other_bytes_are_rejected(damaged):
    with pytest.raises(ValueError, match="is no baseline"):
        unpack_baseline(damaged, columns=1)


def test_a_damaged_file_is_rejected_whatever_byte_it_is(baseline):
    data = bytearray(pack_baseline(baseline))
    for place in range(0, len(data), 997):
        changed = bytes(data[:place]) + bytes([data[place] ^ 0xFF]) + bytes(data[place + 1 :])
        with suppress(ValueError):  # the digest in the manifest finds the rest
            unpack_baseline(changed, columns=len(COLUMNS))


def test_another_number_of_columns_is_rejected(baseline):
    with pytest.raises(ValueError, match=f"expected 9 columns, got {len(COLUMNS)}"):
        unpack_baseline(pack_baseline(baseline), columns=9)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"counts": np.zeros(3, np.int64)}, "counts: expected shape"),
        ({"usual_effects": np.full((3, 9, len(COLUMNS)), np.nan)}, "usual_effects: expected finite numbers"),
        ({"kinds": np.full(len(COLUMNS), 9)}, "kinds: expected 0 to"),
        ({"sizes": np.array([5, 5, 6, 7, 8])}, "sizes: expected"),
        ({"min_visitors": np.array([0])}, "min_visitors: expected at least 1"),
    ],
)
def test_what_makes_no_sense_is_rejected(baseline, changes, reason):
    with pytest.raises(ValueError, match=reason):
        replace(baseline, **changes)
