"""Trees that score many rows at once: compiled to machine code without branches, for the bits that ONNX Runtime gives.

Going down a tree is a chain of branches that a processor cannot foresee, which costs it most of the time. Here all rows meet all
splits of a tree instead, several rows with each instruction: a split that sends a row to the right strikes out the leaves on its
left, and of the leaves that are left in the end, the first one is the row's. Source: Lucchese et al., "QuickScorer", SIGIR 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.ensemble import Ensemble

__all__ = ["MAX_LEAVES", "CompiledTrees"]

Array = NDArray[Any]

MAX_LEAVES = 64
"""Leaves of a tree at most: a bit each."""

_BLOCK, _STEP = 128, 16
"""Rows that are scored together at most, and what their number is rounded up to."""


class _Bits(NamedTuple):
    """Sets of leaves of one width, and how to number their first leaf: multiplied, its bit becomes a number in the highest bits.

    Source: Leiserson et al., "Using de Bruijn Sequences to Index a 1 in a Computer Word", 1998.
    """

    kind: type[np.unsignedinteger[Any]]
    leaves: int
    factor: int
    shift: int

    @property
    def all(self) -> int:
        return (1 << self.leaves) - 1

    def number(self, leaf: int) -> int:
        return (((1 << leaf) * self.factor) & self.all) >> self.shift


_NARROW = _Bits(np.uint32, 32, 0x077C_B531, 27)
_WIDE = _Bits(np.uint64, MAX_LEAVES, 0x03F7_9D71_B4CB_0A89, 58)


class CompiledTrees:
    """Computes margins of feature rows, as ``OnnxModel``: for a hundred rows in an eighth of the time, for one row in twice of it.

    Args:
        function: Is given all that follows.
        bits: How sets of leaves are written.
        splits: Of all trees: features, thresholds, whether missing values go left, and the leaves that are not on the left.
        starts: Where each tree's splits begin, and where the last one's end.
        values: Shape (trees, leaves): what each leaf adds.
        intercept: Is added to that.
        feature_count: The number of features per row.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        bits: _Bits,
        splits: tuple[Array, Array, Array, Array],
        starts: Array,
        values: NDArray[np.float64],
        *,
        intercept: float,
        feature_count: int,
    ) -> None:
        self.feature_count = feature_count
        self._function = function
        constants = (np.uint64(bits.factor), np.uint64(bits.all), np.uint64(bits.shift))
        self._arguments = (*splits, starts, values, intercept, *constants)

    @classmethod
    def of(cls, ensemble: Ensemble, *, feature_count: int) -> CompiledTrees | None:
        """Compile trees; None if it takes Numba and there is none, or trees that are not all of their graph, or too large."""
        most = int(np.add.reduceat(ensemble.is_leaf, ensemble.roots, dtype=np.int64).max())
        if most > MAX_LEAVES or not ensemble.is_all:
            return None
        ends = [*ensemble.roots.tolist()[1:], len(ensemble.is_leaf)]
        trees = [_Tree(ensemble, root, end) for root, end in zip(ensemble.roots.tolist(), ends, strict=True)]
        bits = _NARROW if most <= _NARROW.leaves else _WIDE
        function = _compiled(bits)
        if function is None:
            return None
        splits = np.concatenate([np.array([split for split, _ in tree.splits], np.int64) for tree in trees])
        masks = np.array([bits.all ^ on_left for tree in trees for _, on_left in tree.splits], bits.kind)
        values = np.zeros((len(trees), bits.leaves))
        for row, tree in enumerate(trees):
            for leaf, node in enumerate(tree.leaves):
                values[row, bits.number(leaf)] = ensemble.values[node]
        return cls(
            function,
            bits,
            (ensemble.features[splits], ensemble.thresholds[splits], ensemble.nan_goes_left[splits], masks),
            np.cumsum([0, *(len(tree.splits) for tree in trees)]),
            values,
            intercept=ensemble.base_value,
            feature_count=feature_count,
        )

    def margins(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute raw margins, float32 ``[N]``; see ``OnnxModel.margins``."""
        if rows.dtype != np.float32 or rows.ndim != 2 or rows.shape[1] != self.feature_count:
            raise ValueError(
                f"rows: expected float32 of shape [N, {self.feature_count}], got {rows.dtype} of shape {rows.shape}"
            )
        return cast("NDArray[np.float32]", self._function(np.ascontiguousarray(rows), *self._arguments))


class _Tree:
    """A tree's leaves from left to right, and its splits with the leaves on their left as bits; those of one feature together."""

    def __init__(self, ensemble: Ensemble, root: int, end: int) -> None:
        nodes = slice(root, end)
        self._is_leaf, self._features = ensemble.is_leaf[nodes].tolist(), ensemble.features[nodes].tolist()
        self._left, self._right = (side[nodes].tolist() for side in (ensemble.left, ensemble.right))
        self._root = root
        self.leaves: list[int] = []
        self.splits: list[tuple[int, int]] = []
        for node, on_left in self._walk():
            self.splits.append((node, on_left))
        self.splits.sort(key=lambda split: self._features[split[0] - root])

    def _walk(self) -> Iterator[tuple[int, int]]:
        """Go through the tree from left to right; a stack, since trees may be as deep as they have leaves."""
        root = self._root
        waiting: list[tuple[int, int | None]] = [(root, None)]
        while waiting:
            node, first = waiting.pop()
            if first is not None:  # all leaves on its left have their number
                yield node, (1 << len(self.leaves)) - (1 << first)
            elif self._is_leaf[node - root]:
                self.leaves.append(node)
            else:
                waiting += [(self._right[node - root], None), (node, len(self.leaves)), (self._left[node - root], None)]


def _margins(  # noqa: PLR0917 - compiled functions are called by position
    rows: Array, features: Array, thresholds: Array, nan_goes_left: Array, masks: Array, starts: Array, values: Array,
    intercept: float, factor: int, limit: int, shift: int,
) -> Array:  # fmt: skip
    count, width = rows.shape
    margins = np.empty(count, np.float32)
    columns = np.zeros((width, _BLOCK), np.float32)
    left = np.empty(_BLOCK, masks.dtype)
    sums = np.empty(_BLOCK, np.float64)
    for begin in range(0, count, _BLOCK):
        size = min(_BLOCK, count - begin)
        for row in range(size):
            for feature in range(width):
                columns[feature, row] = rows[begin + row, feature]
        lanes = (size + _STEP - 1) // _STEP * _STEP  # of rows that are none, whatever comes out is not looked at
        sums[:] = 0.0
        for tree in range(starts.shape[0] - 1):
            left[:] = limit
            for split in range(starts[tree], starts[tree + 1]):
                column, threshold, mask = columns[features[split]], thresholds[split], masks[split]
                if nan_goes_left[split]:
                    for lane in range(lanes):
                        left[lane] &= mask if column[lane] > threshold else limit
                else:
                    for lane in range(lanes):
                        left[lane] &= limit if column[lane] <= threshold else mask
            of_tree = values[tree]
            for lane in range(lanes):
                first = left[lane] & (~left[lane] + np.uint64(1))
                sums[lane] += of_tree[((first * factor) & limit) >> shift]
        for row in range(size):
            margins[begin + row] = np.float32(sums[row] + intercept)
    return margins


@lru_cache
def _compiled(bits: _Bits) -> Callable[..., Any] | None:
    """Compile ``_margins`` for one width, or load what was compiled before; None without Numba."""
    # Here, for it takes half a second and 70 MB, which servers that do not rank can do without.
    try:
        import numba  # noqa: PLC0415
        from numba import types  # noqa: PLC0415
    except ImportError:
        return None
    if vars(numba.config).get("DISABLE_JIT"):
        return None
    signature = types.Array(types.float32, 1, "C")(
        types.Array(types.float32, 2, "C", readonly=True), types.int64[::1], types.float32[::1], types.boolean[::1],
        numba.from_dtype(np.dtype(bits.kind))[::1], types.int64[::1], types.float64[:, ::1], types.float64,
        types.uint64, types.uint64, types.uint64,
    )  # fmt: skip
    # No `fastmath`: the order of additions is that of the trees, as in ONNX Runtime.
    compiling = partial(numba.njit, [signature], fastmath=False, error_model="numpy")
    try:
        return cast("Callable[..., Any]", compiling(cache=True)(_margins))
    except Exception:  # noqa: BLE001 - no folder to keep it in, or what lies there is damaged, which can raise anything
        return cast("Callable[..., Any]", compiling()(_margins))
