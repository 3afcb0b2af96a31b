"""The keys of items in the store. All have one hash tag, so that a transaction can change them together."""

from __future__ import annotations

__all__ = ["BUCKETS", "CATALOGUE_STREAM", "CHANGES_FIELD", "CHECKPOINT", "LEASE", "PUBLISHED", "chunk_key"]

BUCKETS = "{items}:buckets"
"""A stream of closed buckets, each in one or more entries; the entries' ids are NUMBER-PART."""
PUBLISHED = "{items}:published"
"""A hash: the last entry of BUCKETS, the epoch, and how far the event streams were read for it."""
CATALOGUE_STREAM = "{items}:catalogue"
"""A stream of the catalogue's changes."""
CHECKPOINT = "{items}:checkpoint"
"""Names the newest checkpoint and says how many chunks it has."""
LEASE = "{items}:lease"
"""Held by the follower that works; others wait."""
CHANGES_FIELD = "changes"
"""Holds a list of changes, in an entry of CATALOGUE_STREAM."""


def chunk_key(name: str, number: int) -> str:
    """Return the key of one chunk of a checkpoint."""
    return f"{CHECKPOINT}:{name}:{number}"
