"""The layout of the keys, which no release may change."""

from __future__ import annotations

import pytest

from presage_server.store.keys import PARTITIONS, aside_key, partition_of, state_key, stream_key


@pytest.mark.parametrize(
    ("user_id", "partition"), [("", 0), ("visitor", 415), ("u1", 886), ("Zoë", 554), ("x" * 256, 528), ("a:{b}", 560)]
)
def test_a_visitors_partition_is_the_same_for_ever(user_id, partition):
    assert partition == partition_of(user_id)


def test_the_names_of_the_keys():
    assert (state_key("u1"), aside_key("u1"), stream_key(886)) == ("{p886}:u:u1", "{p886}:aside:u1", "{p886}:events")


def test_the_keys_of_one_visitor_share_what_a_cluster_hashes():
    """A brace in the id must not move the part that is hashed: a cluster takes the first pair."""
    for user_id in ("plain", "{braces}", "}{", "a}b"):
        tags = {key[: key.index("}") + 1] for key in (state_key(user_id), aside_key(user_id))}
        assert tags == {f"{{p{partition_of(user_id)}}}"}


def test_visitors_spread_over_all_partitions():
    counts = [0] * PARTITIONS
    for number in range(50 * PARTITIONS):
        counts[partition_of(f"visitor-{number}")] += 1
    assert min(counts) > 15
    assert max(counts) < 150
