"""The layout of the keys, which no release may change."""

from __future__ import annotations

from presage_featurizer.event_log import partition_of, stream_key
from presage_server.store.keys import quarantine_key, state_key


def test_the_names_of_the_keys():
    assert (state_key("u1"), quarantine_key("u1")) == ("{p886}:u:u1", "{p886}:aside:u1")


def test_the_keys_of_one_visitor_share_what_a_cluster_hashes():
    """A brace in the id must not move the part that is hashed: a cluster takes the first pair."""
    for user_id in ("plain", "{braces}", "}{", "a}b"):
        partition = partition_of(user_id)
        tags = {
            key[: key.index("}") + 1] for key in (state_key(user_id), quarantine_key(user_id), stream_key(partition))
        }
        assert tags == {f"{{p{partition}}}"}
