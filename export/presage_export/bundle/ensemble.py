"""The trees of a graph as arrays, checked to be trees.

ONNX Runtime trusts these arrays: a cycle makes it run forever, and a node that no golden row reaches may hold anything. So they are
checked before it sees them. The layout is stricter than ONNX's own: nodes of a tree are numbered 0, 1, 2, ... in order, its root is
0, and every split is ``value <= threshold``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.onnx_graph import AttributeValue

__all__ = ["MAX_TREE_DEPTH", "Ensemble", "read_ensemble"]

MAX_TREE_DEPTH: Final = 1_000
"""Splits on the longest way to a leaf: ONNX Runtime builds a tree by recursion."""

_NODE_NUMBERS: Final = (
    *("nodes_treeids", "nodes_nodeids", "nodes_featureids"),
    *("nodes_truenodeids", "nodes_falsenodeids", "nodes_missing_value_tracks_true"),
)
_TARGETS: Final = ("target_treeids", "target_nodeids", "target_ids")
_CONSTANTS: Final[dict[str, AttributeValue]] = {"n_targets": 1, "aggregate_function": b"SUM", "post_transform": b"NONE"}
_FLOATS: Final = ("nodes_values", "target_weights", "base_values", "nodes_hitrates")
_SPLIT, _LEAF = b"BRANCH_LEQ", b"LEAF"
_MAX_MARGIN = float(np.finfo(np.float32).max) / 2


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ensemble:
    """All nodes of all trees, one tree after another; a child is given by its position among all nodes."""

    roots: NDArray[np.int64]
    """Position of each tree's root."""
    features: NDArray[np.int64]
    """The feature that a split compares."""
    thresholds: NDArray[np.float32]
    """The largest float32 value that goes left."""
    nan_goes_left: NDArray[np.bool_]
    """Where a split sends a missing value."""
    left: NDArray[np.int64]
    """Position of a split's left child; of a leaf, its own."""
    right: NDArray[np.int64]
    """Position of a split's right child; of a leaf, its own."""
    is_leaf: NDArray[np.bool_]
    """Which nodes are leaves."""
    values: NDArray[np.float64]
    """What a leaf adds to the margin; 0 for a split."""
    base_value: float
    """What all trees together start from."""
    depth: int
    """Splits on the longest way to a leaf, over all trees."""
    is_all: bool
    """Whether the sum of the trees, in double precision, is the whole graph."""


def read_ensemble(attributes: dict[str, AttributeValue], *, feature_count: int, is_all: bool = False) -> Ensemble:
    """Check the attributes of a ``TreeEnsembleRegressor``, and return its trees.

    Every node but a root has exactly one parent and is reached from its root; features are in range; numbers are finite; every leaf
    has exactly one weight.

    Raises:
        ValueError: The attributes are not such trees; the message says where.
    """
    _require_known(attributes)
    numbers = {name: _integers(attributes, name) for name in _NODE_NUMBERS}
    count = len(numbers["nodes_nodeids"])
    modes = attributes.get("nodes_modes")
    thresholds = _floats(attributes, "nodes_values")
    if not count or not isinstance(modes, list):
        raise ValueError("trees: there are no nodes")
    lengths = {name: len(values) for name, values in numbers.items()}
    lengths |= {"nodes_modes": len(modes), "nodes_values": len(thresholds)}
    if wrong := [name for name, length in lengths.items() if length != count]:
        raise ValueError(f"{wrong[0]}: expected one for each of {count} nodes, got {lengths[wrong[0]]}")
    if unknown := set(modes) - {_SPLIT, _LEAF}:
        raise ValueError(f"nodes_modes: expected BRANCH_LEQ or LEAF, got {min(unknown)[:32]!r}")
    is_leaf = np.array([mode == _LEAF for mode in modes])
    tree_ids, node_ids = numbers["nodes_treeids"], numbers["nodes_nodeids"]
    roots = np.flatnonzero(node_ids == 0)
    starts = _starts(tree_ids, node_ids, roots)
    _require_range("nodes_featureids", numbers["nodes_featureids"], feature_count)
    _require_range("nodes_missing_value_tracks_true", numbers["nodes_missing_value_tracks_true"], 2)
    sizes = np.diff([*roots, count])[tree_ids]
    own = np.arange(count)
    left, right = (
        np.where(is_leaf, own, _children(name, numbers[name], starts, sizes, is_leaf))
        for name in ("nodes_truenodeids", "nodes_falsenodeids")
    )
    depth = _walk(roots, left, right, is_leaf)
    values = _leaf_values(attributes, roots, sizes, is_leaf)
    return Ensemble(
        roots=roots,
        features=numbers["nodes_featureids"],
        thresholds=_floor_to_float32(thresholds),
        nan_goes_left=numbers["nodes_missing_value_tracks_true"] == 1,
        left=left,
        right=right,
        is_leaf=is_leaf,
        values=values,
        base_value=float(_floats(attributes, "base_values").sum()),
        depth=depth,
        is_all=is_all,
    )


def _require_known(attributes: dict[str, AttributeValue]) -> None:
    tensors = {f"{name}_as_tensor" for name in _FLOATS}
    known = {*_NODE_NUMBERS, *_TARGETS, *_CONSTANTS, *_FLOATS, *tensors, "nodes_modes"}
    if unknown := attributes.keys() - known:
        raise ValueError(f"attribute {min(unknown)[:64]!r} is not expected of trees")
    for name, expected in _CONSTANTS.items():
        actual = attributes.get(name, expected)
        if type(actual) is not type(expected) or actual != expected:
            raise ValueError(f"{name}: expected {expected!r}")
    for name in _FLOATS:
        if not np.isfinite(_floats(attributes, name)).all():
            raise ValueError(f"{name}: expected finite numbers")
    if len(_floats(attributes, "base_values")) > 1:
        raise ValueError("base_values: expected at most one")


def _starts(tree_ids: NDArray[np.int64], node_ids: NDArray[np.int64], roots: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each node the position of its tree's root, after checking the order of trees and nodes."""
    of_tree = np.cumsum(node_ids == 0) - 1
    if node_ids[0] != 0 or (tree_ids != of_tree).any():
        raise ValueError("nodes_treeids: expected tree 0, 1, 2, ..., each with a root of id 0 as its first node")
    starts = roots[of_tree]
    if (node_ids != np.arange(len(node_ids)) - starts).any():
        raise ValueError("nodes_nodeids: expected 0, 1, 2, ... within each tree")
    return cast("NDArray[np.int64]", starts)


def _children(
    name: str, ids: NDArray[np.int64], starts: NDArray[np.int64], sizes: NDArray[np.int64], is_leaf: NDArray[np.bool_]
) -> NDArray[np.int64]:
    wrong = ~is_leaf & ((ids < 1) | (ids >= sizes))
    if wrong.any():
        node = int(np.argmax(wrong))
        raise ValueError(
            f"{name}: node {node} has child {ids[node]}, expected 1 to {sizes[node] - 1} within its own tree"
        )
    return cast("NDArray[np.int64]", np.where(is_leaf, starts, starts + ids))


def _walk(
    roots: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64], is_leaf: NDArray[np.bool_]
) -> int:
    """Check that the nodes are trees, and return the depth of the deepest."""
    splits = np.flatnonzero(~is_leaf)
    parents = np.bincount(np.concatenate([left[splits], right[splits]]), minlength=len(is_leaf))
    expected = np.ones(len(is_leaf), dtype=np.int64)
    expected[roots] = 0
    if (wrong := parents != expected).any():
        node = int(np.argmax(wrong))
        raise ValueError(f"node {node} has {parents[node]} parents, expected {expected[node]}")
    # As every node has one parent and a root none, no node is met twice; what is in a cycle is never met.
    level, met, depth = roots, len(roots), 0
    while len(inner := level[~is_leaf[level]]):
        depth += 1
        if depth > MAX_TREE_DEPTH:
            raise ValueError(f"a tree is deeper than {MAX_TREE_DEPTH} splits")
        level = np.concatenate([left[inner], right[inner]])
        met += len(level)
    if met != len(is_leaf):
        raise ValueError(
            f"{len(is_leaf) - met} of {len(is_leaf)} nodes are not reached from a root: they are in a cycle"
        )
    return depth


def _leaf_values(
    attributes: dict[str, AttributeValue],
    roots: NDArray[np.int64],
    sizes: NDArray[np.int64],
    is_leaf: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Check the weights of the leaves, and return them by node."""
    trees, nodes, targets = (_integers(attributes, name) for name in _TARGETS)
    weights = _floats(attributes, "target_weights")
    if not len(trees) == len(nodes) == len(targets) == len(weights):
        raise ValueError("target_weights: expected as many as target_treeids, target_nodeids and target_ids")
    _require_range("target_treeids", trees, len(roots))
    _require_range("target_ids", targets, 1)
    if ((nodes < 0) | (nodes >= sizes[roots[trees]])).any():
        raise ValueError("target_nodeids: expected nodes of their trees")
    leaves = roots[trees] + nodes
    if (np.bincount(leaves, minlength=len(is_leaf)) != is_leaf).any():
        raise ValueError("target_nodeids: expected every leaf once, and nothing else")
    largest = np.zeros(len(roots))
    np.maximum.at(largest, trees, np.abs(weights))
    if not largest.sum() + np.abs(_floats(attributes, "base_values")).sum() <= _MAX_MARGIN:
        raise ValueError("target_weights: their sum could exceed float32")
    values = np.zeros(len(is_leaf))
    values[leaves] = weights
    return values


def _integers(attributes: dict[str, AttributeValue], name: str) -> NDArray[np.int64]:
    values = attributes.get(name)
    if not isinstance(values, np.ndarray) or values.dtype != np.int64:
        raise ValueError(f"{name}: expected integers")
    return cast("NDArray[np.int64]", values)


def _floats(attributes: dict[str, AttributeValue], name: str) -> NDArray[np.float64]:
    """Return the numbers of an attribute, which may be a list or a tensor, but not both; none if it is absent."""
    found = [attributes[key] for key in (name, f"{name}_as_tensor") if key in attributes]
    if len(found) > 1:
        raise ValueError(f"{name}: expected either a list or a tensor, got both")
    if not found:
        return np.zeros(0)
    (values,) = found
    if not isinstance(values, np.ndarray) or values.dtype != np.float64 or values.ndim != 1:
        raise ValueError(f"{name}: expected a list of floats")
    return cast("NDArray[np.float64]", values)


def _require_range(name: str, values: NDArray[np.int64], end: int) -> None:
    if (wrong := (values < 0) | (values >= end)).any():
        place = int(np.argmax(wrong))
        raise ValueError(f"{name}[{place}]: expected 0 to {end - 1}, got {values[place]}")


def _floor_to_float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # beyond the largest float32 lies infinity
        nearest = values.astype(np.float32)
        return np.where(nearest > values, np.nextafter(nearest, np.float32(-np.inf)), nearest)
