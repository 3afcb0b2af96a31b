from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from presage_featurizer.digests import WIDTH, contains, digest

# Two letters only, so that a digest often turns up across the border of two others.
ALIKE = st.text("\x00\x01", min_size=WIDTH, max_size=WIDTH).map(str.encode)
SEVERAL = st.lists(ALIKE, min_size=2, max_size=6)


def test_a_digest_is_the_same_in_every_release():
    assert digest("").hex() == "e4a6a0577479b2b4"
    assert digest("événement-1").hex() == "18443c2eea70a60d"


@settings(deadline=None, max_examples=300)
@given(members=SEVERAL, data=st.data())
def test_contains_finds_members_and_only_members(members, data):
    digests = b"".join(members)
    start = data.draw(st.integers(0, len(digests) - WIDTH))
    wanted = data.draw(st.one_of(ALIKE, st.just(digests[start : start + WIDTH])))
    assert contains(digests, wanted) == (wanted in members)


def test_an_empty_set_contains_nothing():
    assert not contains(b"", digest("a"))


def test_a_match_across_two_neighbours_is_not_a_member():
    digests = b"\x00" * 4 + b"\x01" * 8 + b"\x00" * 4
    assert not contains(digests, b"\x01" * 8)
    assert contains(digests + b"\x01" * 8, b"\x01" * 8)
    assert contains(digests, digests[:8])


@settings(deadline=None)
@given(st.sets(st.text(max_size=20), max_size=20))
def test_distinct_ids_have_distinct_digests(ids):
    digests = {digest(each) for each in ids}
    assert len(digests) == len(ids)
    assert {len(each) for each in digests} <= {WIDTH}
