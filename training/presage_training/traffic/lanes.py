"""Distributes visitors over parallel lanes; a visitor always gets the same lane."""

from __future__ import annotations

from zlib import crc32

__all__ = ["lane_of"]


def lane_of(user_id: str, lanes: int) -> int:
    """Return a visitor's lane, 0 to lanes - 1; the same in every process and on every run."""
    return crc32(user_id.encode()) % lanes
