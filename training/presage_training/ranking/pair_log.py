"""Pairs of numbers in the order of a log, in a few bytes each, and the matrices made of them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["MAX_PAIRS", "PairLog"]

MAX_PAIRS = 20_000_000
"""How many pairs are kept, 8 bytes each; beyond them the oldest half is dropped."""


class PairLog:
    """Pairs of a group, such as a session, and an item's row, in the order of the log."""

    def __init__(self, most: int = MAX_PAIRS) -> None:
        self._groups = array("i")
        self._rows = array("i")
        self._most = most

    def add(self, group: int, rows: Iterable[int]) -> None:
        """Append pairs of a group."""
        self._rows.extend(rows)
        self._groups.extend([group] * (len(self._rows) - len(self._groups)))
        if len(self._rows) > self._most:
            del self._groups[: self._most // 2], self._rows[: self._most // 2]

    def counts(self, size: int) -> NDArray[np.int64]:
        """Count the pairs of each of ``size`` rows, repeated ones included."""
        return np.bincount(np.array(self._rows, np.int32), minlength=size).astype(np.int64)

    def distinct_counts(self, size: int) -> NDArray[np.int64]:
        """Count the groups of each of ``size`` rows."""
        return np.bincount(self._distinct(size)[1], minlength=size).astype(np.int64)

    def matrix(self, groups: int, size: int, *, first: int | None = None, last: int | None = None) -> sparse.csr_array:
        """Return the matrix of groups by rows, with 1 for each pair.

        Args:
            groups: How many groups there are.
            size: How many rows there are.
            first: Only as many of each group, those that came first.
            last: Only as many of each group, those that came first but latest.
        """
        of_group, rows = self._distinct(size)
        order = np.argsort(of_group, kind="stable")
        of_group, rows = of_group[order], rows[order]
        counts = np.bincount(of_group, minlength=groups)
        ranks = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        keep = np.ones(len(rows), np.bool_)
        if first is not None:
            keep &= ranks < first
        if last is not None:
            keep &= ranks >= counts[of_group] - last
        starts = np.append(0, np.cumsum(np.bincount(of_group[keep], minlength=groups))).astype(np.int64)
        found = rows[keep].astype(np.int64)
        return sparse.csr_array((np.ones(len(found)), found, starts), shape=(groups, size))

    def _distinct(self, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return groups and rows, each pair once, in the order of their first occurrence."""
        groups = np.array(self._groups, np.int32).astype(np.int64)
        rows = np.array(self._rows, np.int32).astype(np.int64)
        _, first = np.unique(groups * max(1, size) + rows, return_index=True)
        first.sort()
        return groups[first], rows[first]
