"""The keys that a visitor's data stands under.

The part in braces is what a cluster hashes, so a visitor's state and the event stream of the visitor's partition share a node, and
one script can change both.
"""

from __future__ import annotations

from zlib import crc32

__all__ = ["PARTITIONS", "aside_key", "partition_of", "state_key", "stream_key"]

PARTITIONS = 1_024
"""Partitions that visitors fall into; part of the layout, so it never changes."""


def partition_of(user_id: str) -> int:
    """Tell a visitor's partition, 0 to PARTITIONS - 1; the same in every process and release."""
    return crc32(user_id.encode()) % PARTITIONS


def state_key(user_id: str) -> str:
    """Where a visitor's state is kept."""
    return f"{{p{partition_of(user_id)}}}:u:{user_id}"


def aside_key(user_id: str) -> str:
    """Where a visitor's unreadable states are kept for repair: a list, the newest last."""
    return f"{{p{partition_of(user_id)}}}:aside:{user_id}"


def stream_key(partition: int) -> str:
    """Where a partition's events are logged, in the order in which they were applied."""
    return f"{{p{partition}}}:events"
