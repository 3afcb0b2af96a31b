"""Small sets of ids, kept as one string of bytes: eight bytes of BLAKE2b for each member, oldest first.

Two of n ids share a digest with a chance of about n² / 2⁶⁵ (1e-15 for 256 ids), so for our caps the sets are exact. As bytes they
are immutable, cost a ninth of a UUID in the store, and are searched at the speed of ``memmem``.
"""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["WIDTH", "contains", "digest", "product_digest"]

WIDTH = 8
"""Bytes that one member takes."""

_MOST_REMEMBERED = 1 << 16


def digest(member: str) -> bytes:
    """Digest an id: WIDTH bytes, the same in every process and on every machine."""
    return blake2b(member.encode(), digest_size=WIDTH).digest()


class _Remembered(dict[str, bytes]):
    """Digests by id; a third of the time of an ``lru_cache``, which keeps its entries in order of use."""

    def __missing__(self, member: str) -> bytes:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        self[member] = found = digest(member)
        return found


_products = _Remembered()


def product_digest(item_id: str) -> bytes:
    """Digest a product's id; remembered, because visitors look at the same products again and again."""
    return _products[item_id]


def contains(digests: bytes, member_digest: bytes) -> bool:
    """Tell whether a digest is in the set."""
    found = digests.find(member_digest)
    # A match across two neighbours is not a member: look on behind it.
    while found > 0 and found % WIDTH:
        found = digests.find(member_digest, found + 1)
    return found >= 0
