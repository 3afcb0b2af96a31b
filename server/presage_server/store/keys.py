"""The keys of a visitor's own data.

The part in braces is what a cluster hashes. It is the same in the key of the event stream (``presage_featurizer.event_log``), so
one script can change a visitor's state and append to the stream.
"""

from __future__ import annotations

from presage_featurizer.event_log import partition_of

__all__ = ["quarantine_key", "state_key"]


def state_key(user_id: str) -> str:
    """Return the key of a visitor's state: a string."""
    return f"{{p{partition_of(user_id)}}}:u:{user_id}"


def quarantine_key(user_id: str) -> str:
    """Return the key of a visitor's unreadable states, kept for repair: a list, the newest last."""
    return f"{{p{partition_of(user_id)}}}:aside:{user_id}"
