"""Rows by digest for many digests at once: a hash table in arrays, several times as fast as a dict that does not fit the cache."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.compiled import kernels

__all__ = ["UNKNOWN", "DigestIndex", "IdIndex"]

Digests = NDArray[np.uint64]
Rows = NDArray[np.int64]

UNKNOWN = -1
"""The row of an item that has none."""

_SLOTS_PER_ITEM = 2
_LEAST_SLOTS = 1 << 10
_IDS_AT_ONCE = 10_000
_MAX_COMPILED = 4_096  # all threads wait for compiled look-ups, and for those of many by numpy hardly
_DIGEST, _ROW = 0, 1  # side by side, so that a look-up reads one place in memory
_NO_ROW = np.uint64(0xFFFF_FFFF_FFFF_FFFF)  # UNKNOWN as a signed number


class DigestIndex:
    """Finds rows by the numbers of digests, which are hashes already. Rows are only added."""

    def __init__(self) -> None:
        self._size = 0
        self._mask = np.uint64(_LEAST_SLOTS - 1)
        self.slots = _empty(_LEAST_SLOTS)
        """By the lowest bits of a digest, or after that: a digest and its row, all bits set where there is none."""

    def copy(self) -> DigestIndex:
        """Return an index that changes independently."""
        other = copy(self)
        other.slots = self.slots.copy()
        return other

    def add(self, digests: Digests) -> None:
        """Add the rows that are not in it yet.

        Args:
            digests: Those of all rows, each once, the known ones first.
        """
        if len(digests) * _SLOTS_PER_ITEM > len(self.slots):
            size = _LEAST_SLOTS
            while size < 2 * _SLOTS_PER_ITEM * len(digests):
                size *= 2
            self._mask = np.uint64(size - 1)
            self.slots = _empty(size)
            self._size = 0
        rows = np.arange(self._size, len(digests))
        places = (digests[rows] & self._mask).astype(np.int64)
        while len(rows):
            free = self.slots[places, _ROW] == _NO_ROW
            self.slots[places[free], _ROW] = rows[free]  # of several that want a place, the last one gets it
            left = self.slots[places, _ROW] != rows.astype(np.uint64)
            self.slots[places[~left], _DIGEST] = digests[rows[~left]]
            rows, places = rows[left], (places[left] + 1) & int(self._mask)
        self._size = len(digests)

    def rows_of(self, digests: Digests) -> Rows:
        """Return the row of each digest; UNKNOWN if it has none."""
        compiled = kernels()
        if compiled is not None and len(digests) <= _MAX_COMPILED:
            found = np.empty(len(digests), np.int64)
            compiled.find_rows(self.slots, np.ascontiguousarray(digests), found)
            return found
        return self._rows_of(digests)

    def _rows_of(self, digests: Digests) -> Rows:
        places = (digests & self._mask).astype(np.int64)
        found = self.slots.take(places, axis=0)
        rows: Rows = found[:, _ROW].astype(np.int64)
        wrong = np.flatnonzero((found[:, _DIGEST] != digests) & (rows != UNKNOWN))
        places = places[wrong]
        while len(wrong):
            places = (places + 1) & int(self._mask)
            found = self.slots.take(places, axis=0)
            rows[wrong] = found[:, _ROW].astype(np.int64)
            still = np.flatnonzero((found[:, _DIGEST] != digests[wrong]) & (found[:, _ROW] != _NO_ROW))
            wrong, places = wrong[still], places[still]
        return rows


class IdIndex:
    """Finds rows by the items' ids, in a fifth of the time of computing or remembering their digests. Rows are only added.

    It compares the hashes that Python has of strings, of 64 bits with a secret key of the process, and not the ids: two of n ids
    share one as rarely as they share a digest.
    """

    def __init__(self) -> None:
        self._hashes = np.zeros(0, np.uint64)
        self._index = DigestIndex()

    def copy(self) -> IdIndex:
        """Return an index that changes independently."""
        other = copy(self)
        other._index = self._index.copy()  # noqa: SLF001 - its own class
        return other

    def add(self, ids: Sequence[str], size: int) -> None:
        """Add the rows that are not in it yet.

        Args:
            ids: Those of all rows, the known ones first.
            size: How many of them are added, with the known ones.
        """
        known = len(self._hashes)
        if size > known:
            # Some at once: all threads wait for each piece.
            ends = [*range(known, size, _IDS_AT_ONCE), size]
            pieces = [_hashes(ids[start:end]) for start, end in pairwise(ends)]
            self._hashes = np.concatenate([self._hashes, *pieces])
            self._index.add(self._hashes)

    def rows_of(self, ids: Sequence[str]) -> Rows:
        """Return the row of each id; UNKNOWN if it has none."""
        return self._index.rows_of(_hashes(ids))


def _hashes(ids: Sequence[str]) -> Digests:
    return np.fromiter(map(hash, ids), np.int64, len(ids)).view(np.uint64)


def _empty(size: int) -> Digests:
    slots = np.zeros((size, 2), np.uint64)
    slots[:, _ROW] = _NO_ROW
    return slots
