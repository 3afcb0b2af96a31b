"""What every exported model comes down to: trees whose leaves add up, and a linear function beside them.

Gradient boosting, forests, linear models, stacks and blends of them differ in how they are fitted. What they compute is a sum,
so one form, one graph and one gate do for all. Decisions are made in float32 by ``value <= threshold`` and one bit for NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.link import Link

__all__ = ["AdditiveModel", "Leaf", "Split", "Tree", "floor_to_float32", "weighted_sum"]

_INFINITY = np.float32(np.inf)


@dataclass(frozen=True, slots=True)
class Split:
    """An inner node: ``value <= threshold`` goes left, and NaN where it is told to go."""

    feature: int
    threshold: np.float32
    nan_goes_left: bool
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class Leaf:
    """An outer node: what the tree adds to the margin."""

    value: float
    library_id: int = 0
    """What the training library calls this leaf when asked where a row ends."""


Tree = tuple[Split | Leaf, ...]
"""The nodes of one tree, the root first; ``left`` and ``right`` are positions in this tuple."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AdditiveModel:
    """``margin = intercept + coefficients · features + one leaf of each tree``."""

    feature_count: int
    """How many features a row has, at least 1."""
    link: Link
    """How the margin becomes a prediction."""
    trees: tuple[Tree, ...] = ()
    """The trees; may be none."""
    coefficients: tuple[float, ...] = ()
    """One for each feature, or none at all if the model has no linear part."""
    intercept: float = 0.0
    """What every margin starts from."""

    def __post_init__(self) -> None:
        """Validate.

        Raises:
            ValueError: The coefficients do not go with the features.
        """
        if len(self.coefficients) not in {0, self.feature_count}:
            raise ValueError(f"coefficients: expected 0 or {self.feature_count}, got {len(self.coefficients)}")

    @property
    def has_only_trees(self) -> bool:
        """Whether trees are all there is, but for an intercept."""
        return bool(self.trees) and not self.coefficients

    def margins(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Compute margins in double precision.

        Args:
            rows: float32 ``[N, F]``.

        Returns:
            float64 ``[N]``.
        """
        margins = np.full(len(rows), self.intercept)
        if self.coefficients:
            margins += rows.astype(np.float64) @ np.array(self.coefficients)
        for tree in self.trees:
            values = np.array([node.value if isinstance(node, Leaf) else np.nan for node in tree])
            margins += values[_positions(tree, rows)]
        return margins

    def leaf_ids(self, rows: NDArray[np.float32]) -> NDArray[np.int64]:
        """Find the leaves that rows end in, by the training library's ids.

        Args:
            rows: float32 ``[N, F]``.

        Returns:
            int64 ``[N, trees]``.
        """
        found = np.empty((len(rows), len(self.trees)), dtype=np.int64)
        for index, tree in enumerate(self.trees):
            ids = np.array([node.library_id if isinstance(node, Leaf) else -1 for node in tree])
            found[:, index] = ids[_positions(tree, rows)]
        return found


def weighted_sum(
    models: Sequence[AdditiveModel], weights: Sequence[float], *, intercept: float, link: Link
) -> AdditiveModel:
    """Make the one model whose margin is ``intercept + Σ weight · margin`` of several.

    Raises:
        ValueError: There is no model, or one of another number of features, or a weight too many or too few.
    """
    feature_counts = {model.feature_count for model in models}
    if len(feature_counts) != 1:
        raise ValueError(f"models: expected one number of features, got {sorted(feature_counts)}")
    (feature_count,) = feature_counts
    coefficients = np.zeros(feature_count)
    trees: list[Tree] = []
    for model, weight in zip(models, weights, strict=True):
        intercept += weight * model.intercept
        if model.coefficients:
            coefficients += weight * np.array(model.coefficients)
        trees += [_scaled(tree, weight) for tree in model.trees]
    return AdditiveModel(
        feature_count=feature_count,
        link=link,
        trees=tuple(trees),
        coefficients=tuple(coefficients.tolist()) if any(model.coefficients for model in models) else (),
        intercept=intercept,
    )


def floor_to_float32(threshold: float) -> np.float32:
    """Return the largest float32 that is not above a double: for a float32 ``x``, ``x <= t`` says the same of both.

    The nearest float32 would not do: it may be above.
    """
    # Beyond float32, as LightGBM's 1e300 for infinity is, the nearest is infinite: still above, so stepped back below.
    with np.errstate(over="ignore"):
        nearest = np.float32(threshold)
    return np.float32(np.nextafter(nearest, -_INFINITY)) if float(nearest) > threshold else nearest


def _scaled(tree: Tree, weight: float) -> Tree:
    return tuple(Leaf(weight * node.value, node.library_id) if isinstance(node, Leaf) else node for node in tree)


def _positions(tree: Tree, rows: NDArray[np.float32]) -> NDArray[np.intp]:
    """Find the position in ``tree`` of the leaf that each row ends in."""
    splits = [node if isinstance(node, Split) else None for node in tree]
    features = np.array([node.feature if node else 0 for node in splits])
    thresholds = np.array([node.threshold if node else 0 for node in splits], dtype=np.float32)
    nan_goes_left = np.array([bool(node and node.nan_goes_left) for node in splits])
    lefts = np.array([node.left if node else 0 for node in splits])
    rights = np.array([node.right if node else 0 for node in splits])
    inner = np.array([node is not None for node in splits])
    positions = np.zeros(len(rows), dtype=np.intp)
    walking = np.arange(len(rows)) if inner[0] else np.empty(0, dtype=np.intp)
    while len(walking):
        at = positions[walking]
        values = rows[walking, features[at]]
        goes_left = np.where(np.isnan(values), nan_goes_left[at], values <= thresholds[at])
        positions[walking] = np.where(goes_left, lefts[at], rights[at])
        walking = walking[inner[positions[walking]]]
    return positions
