"""The paths from the roots of trees to their leaves, as arrays: what one row's contributions are summed over.

On a path, all splits on one feature are one interval, and the part of the training data that passed them is one product. So a path
has each feature once, however often its splits ask for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.ensemble import Ensemble

__all__ = ["MAX_PATH_SPLITS", "Paths", "compile_paths", "count_path_splits"]

MAX_PATH_SPLITS: Final = 4_000_000
"""Most splits on the paths to all leaves together: about 100 MB of arrays, and some 0.2 s for an explanation."""

_BLOCK_SPLITS = 2**13
"""Few enough for a core's cache."""
_LEAST_SHARE = 1e-150
"""Stands for 0, so that products can be divided by their factors again."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Paths:
    """Some paths; E is how many features they have together."""

    feature: NDArray[np.int32]
    """Which feature, ``[E]``; the features of a path are adjacent."""
    low: NDArray[np.float32]
    """The path takes values above this, ``[E]``."""
    high: NDArray[np.float32]
    """The path takes values up to this, ``[E]``."""
    takes_nan: NDArray[np.bool_]
    """Whether the path takes a missing value, ``[E]``."""
    share: NDArray[np.float64]
    """Which share of the training data passes the splits on this feature, of what reaches them, ``[E]``; above 0."""
    path: NDArray[np.int32]
    """Which path it is a part of, ``[E]``."""
    starts: NDArray[np.int64]
    """Where each path begins, ``[P]``."""
    values: NDArray[np.float64]
    """What the leaf of each path adds to the margin, ``[P]``."""
    longest: int
    """The most features that a path has."""

    @property
    def mean(self) -> float:
        """The sum of the leaves' values, each by the share of the training data that reaches it."""
        return float((self.values * np.multiply.reduceat(self.share, self.starts)).sum())


def count_path_splits(ensemble: Ensemble) -> int:
    """Count the splits on the paths to all leaves."""
    return int(_depths(ensemble)[ensemble.is_leaf].sum())


def compile_paths(ensemble: Ensemble, cover: NDArray[np.float64]) -> Iterator[Paths]:
    """Follow all paths of an ensemble from their leaves up, some at a time, so that memory stays bounded.

    Leaves that are roots are on no path: they add the same to every margin.

    Args:
        ensemble: The trees.
        cover: How much of the training data reached each node, ``[nodes]``. Where none reached a split, both sides count alike.
    """
    parents = np.full(len(ensemble.is_leaf), -1)
    splits = np.flatnonzero(~ensemble.is_leaf)
    parents[ensemble.left[splits]] = parents[ensemble.right[splits]] = splits
    share = np.full(len(parents), 0.5)
    inner = parents >= 0
    reached = inner.copy()
    reached[inner] = cover[parents[inner]] > 0.0
    share[reached] = cover[reached] / cover[parents[reached]]
    depths = _depths(ensemble)
    leaves = np.flatnonzero(ensemble.is_leaf & inner)
    # Paths of about equal length together, for the work on all of them goes by the longest.
    leaves = leaves[np.argsort(depths[leaves], kind="stable")]
    blocks = np.cumsum(depths[leaves]) // _BLOCK_SPLITS
    for block in np.unique(blocks):
        yield _compile(ensemble, leaves[blocks == block], parents, share)


def _compile(
    ensemble: Ensemble, leaves: NDArray[np.int64], parents: NDArray[np.int64], shares: NDArray[np.float64]
) -> Paths:
    climbed = []
    path, node = np.arange(len(leaves)), leaves
    while len(node):
        parent = parents[node]
        is_left = ensemble.left[parent] == node
        climbed.append((path, parent, is_left, shares[node]))
        above = parents[parent] >= 0
        path, node = path[above], parent[above]
    paths, parent, is_left, share = (np.concatenate(parts) for parts in zip(*climbed, strict=True))
    order = np.lexsort((ensemble.features[parent], paths))
    paths, parent, is_left, share = paths[order], parent[order], is_left[order], share[order]
    feature, threshold = ensemble.features[parent], ensemble.thresholds[parent]
    infinity = np.float32(np.inf)
    is_first = np.ones(len(paths), dtype=np.bool_)
    is_first[1:] = (paths[1:] != paths[:-1]) | (feature[1:] != feature[:-1])
    firsts = np.flatnonzero(is_first)
    merged = paths[firsts]
    starts = np.searchsorted(merged, np.arange(len(leaves)))
    return Paths(
        feature=feature[firsts].astype(np.int32),
        low=np.maximum.reduceat(np.where(is_left, -infinity, threshold), firsts),
        high=np.minimum.reduceat(np.where(is_left, threshold, infinity), firsts),
        takes_nan=np.logical_and.reduceat(ensemble.nan_goes_left[parent] == is_left, firsts),
        share=np.maximum(np.multiply.reduceat(share, firsts), _LEAST_SHARE),
        path=merged.astype(np.int32),
        starts=starts,
        values=ensemble.values[leaves],
        longest=int(np.diff([*starts, len(firsts)]).max()),
    )


def _depths(ensemble: Ensemble) -> NDArray[np.int64]:
    """Count the splits above each node."""
    depths = np.zeros(len(ensemble.is_leaf), dtype=np.int64)
    level, depth = ensemble.roots, 0
    while len(level := level[~ensemble.is_leaf[level]]):
        depth += 1
        level = np.concatenate([ensemble.left[level], ensemble.right[level]])
        depths[level] = depth
    return depths
