"""Rows by digest, beside a dict."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from presage_featurizer.ranking.digest_index import DigestIndex, IdIndex
from presage_featurizer.ranking.items import UNKNOWN

# Few different lower bits, so that many want the same place.
DIGESTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1 << 40)), unique=True, max_size=80).map(
    lambda pairs: np.array([high << 20 | low for low, high in pairs], np.uint64)
)


@given(digests=DIGESTS, others=DIGESTS, cuts=st.lists(st.integers(0, 80), max_size=3))
@settings(deadline=None)
def test_it_finds_what_a_dict_finds(digests, others, cuts):
    index = DigestIndex()
    for size in [*sorted(min(cut, len(digests)) for cut in cuts), len(digests)]:
        index.add(digests[:size])
        known = {number: row for row, number in enumerate(digests[:size].tolist())}
        wanted = np.concatenate([others, digests])
        assert index.rows_of(wanted).tolist() == [known.get(number, UNKNOWN) for number in wanted.tolist()]


def test_it_grows():
    digests = np.random.default_rng(1).integers(0, 1 << 63, 20_000).astype(np.uint64)
    index = DigestIndex()
    for size in (0, 100, 5_000, 20_000):
        index.add(digests[:size])
        assert index.rows_of(digests).tolist() == [*range(size), *[UNKNOWN] * (20_000 - size)]


def test_a_copy_changes_alone():
    digests = np.arange(100, dtype=np.uint64)
    index = DigestIndex()
    index.add(digests[:50])
    other = index.copy()
    other.add(digests)
    assert other.rows_of(digests).tolist() == list(range(100))
    assert index.rows_of(digests).tolist() == [*range(50), *[UNKNOWN] * 50]


@given(
    ids=st.lists(st.text(max_size=4), unique=True, max_size=60),
    others=st.lists(st.text(max_size=4)),
    cut=st.integers(0, 60),
)
def test_ids_are_found_as_by_a_dict(ids, others, cut):
    index = IdIndex()
    for size in (min(cut, len(ids)), len(ids)):
        index.add(ids, size)
        known = {item_id: row for row, item_id in enumerate(ids[:size])}
        wanted = [*others, *ids]
        assert index.rows_of(wanted).tolist() == [known.get(item_id, UNKNOWN) for item_id in wanted]


def test_a_copy_of_ids_changes_alone():
    ids = [f"item-{number}" for number in range(100)]
    index = IdIndex()
    index.add(ids, 50)
    other = index.copy()
    other.add(ids, 100)
    assert other.rows_of(ids).tolist() == list(range(100))
    assert index.rows_of(ids).tolist() == [*range(50), *[UNKNOWN] * 50]
