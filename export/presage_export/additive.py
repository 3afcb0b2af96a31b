"""The common form of every exported model: a sum of tree leaves plus a linear function.

Gradient boosting, forests, linear models, stacks and blends differ in how they are fitted, but all of them compute a sum. So one
form, one graph and one parity check are enough. Splits compare in float32: ``value <= threshold``, and one bit for NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.explaining.covers import CoverWeighting
from presage_export.bundle.link import Link

__all__ = ["AdditiveModel", "Leaf", "Split", "Tree", "floor_to_float32", "weighted_sum"]

_INFINITY = np.float32(np.inf)


@dataclass(frozen=True, slots=True)
class Split:
    """An inner node: ``value <= threshold`` goes left; ``nan_goes_left`` decides for NaN."""

    feature: int
    threshold: np.float32
    nan_goes_left: bool
    left: int
    right: int
    cover: float | None = None
    """How much of the training data reached it, as ``AdditiveModel.cover_weighting`` measures; None if that is unknown."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf: what the tree adds to the margin."""

    value: float
    library_id: int = 0
    """The training library's own number for this leaf."""
    cover: float | None = None
    """As that of a split."""


Tree = tuple[Split | Leaf, ...]
"""The nodes of one tree, root first; ``left`` and ``right`` are positions in this tuple."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AdditiveModel:
    """``margin = intercept + coefficients · features + one leaf of each tree``."""

    feature_count: int
    """Features per row, at least 1."""
    link: Link
    """How a margin becomes a prediction."""
    trees: tuple[Tree, ...] = ()
    """May be empty."""
    coefficients: tuple[float, ...] = ()
    """One per feature, or empty if the model has no linear part."""
    intercept: float = 0.0
    """The constant part of every margin."""
    cover_weighting: CoverWeighting | None = None
    """What the covers of its nodes measure; None if a node has none."""

    def __post_init__(self) -> None:
        if len(self.coefficients) not in {0, self.feature_count}:
            raise ValueError(f"coefficients: expected 0 or {self.feature_count}, got {len(self.coefficients)}")

    @property
    def has_only_trees(self) -> bool:
        """Whether the model is trees and an intercept, without a linear part."""
        return bool(self.trees) and not self.coefficients

    def margins(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Compute margins, float64 ``[N]``, of rows, float32 ``[N, F]``, in double precision."""
        margins = np.full(len(rows), self.intercept)
        if self.coefficients:
            margins += rows.astype(np.float64) @ np.array(self.coefficients)
        for tree in self.trees:
            values = np.array([node.value if isinstance(node, Leaf) else np.nan for node in tree])
            margins += values[_positions(tree, rows)]
        return margins

    def leaf_ids(self, rows: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the leaf of each row, float32 ``[N, F]``, in each tree by ``Leaf.library_id``, int64 ``[N, trees]``."""
        leaf_ids = np.empty((len(rows), len(self.trees)), dtype=np.int64)
        for index, tree in enumerate(self.trees):
            ids = np.array([node.library_id if isinstance(node, Leaf) else -1 for node in tree])
            leaf_ids[:, index] = ids[_positions(tree, rows)]
        return leaf_ids


def weighted_sum(
    models: Sequence[AdditiveModel], weights: Sequence[float], *, intercept: float, link: Link
) -> AdditiveModel:
    """Combine models into one whose margin is ``intercept + Σ weight · margin``.

    Raises:
        ValueError: There is no model, their numbers of features differ, or there is not one weight per model.
    """
    feature_counts = {model.feature_count for model in models}
    if len(feature_counts) != 1:
        raise ValueError(f"models: expected one number of features, got {sorted(feature_counts)}")
    (feature_count,) = feature_counts
    coefficients = np.zeros(feature_count)
    trees: list[Tree] = []
    weightings = {model.cover_weighting for model in models if model.trees}
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
        cover_weighting=_common(weightings),
    )


def _common(weightings: set[CoverWeighting | None]) -> CoverWeighting | None:
    if len(weightings) == 1:
        return next(iter(weightings))
    return "mixed" if weightings and None not in weightings else None


def floor_to_float32(threshold: float) -> np.float32:
    """Return the largest float32 that is not above a double, so that ``x <= threshold`` is the same for every float32 ``x``.

    Rounding to the nearest float32 could give one that is above.
    """
    # Beyond the range of float32 (LightGBM writes 1e300 for infinity), the nearest is infinite: above, so step back.
    with np.errstate(over="ignore"):
        nearest = np.float32(threshold)
    return np.float32(np.nextafter(nearest, -_INFINITY)) if float(nearest) > threshold else nearest


def _scaled(tree: Tree, weight: float) -> Tree:
    return tuple(replace(node, value=weight * node.value) if isinstance(node, Leaf) else node for node in tree)


def _positions(tree: Tree, rows: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return the position in ``tree`` of each row's leaf."""
    splits = [node if isinstance(node, Split) else None for node in tree]
    features = np.array([node.feature if node else 0 for node in splits])
    thresholds = np.array([node.threshold if node else 0 for node in splits], dtype=np.float32)
    nan_goes_left = np.array([bool(node and node.nan_goes_left) for node in splits])
    lefts = np.array([node.left if node else 0 for node in splits])
    rights = np.array([node.right if node else 0 for node in splits])
    inner = np.array([node is not None for node in splits])
    positions = np.zeros(len(rows), dtype=np.intp)
    active = np.arange(len(rows)) if inner[0] else np.empty(0, dtype=np.intp)
    while len(active):
        current = positions[active]
        values = rows[active, features[current]]
        goes_left = np.where(np.isnan(values), nan_goes_left[current], values <= thresholds[current])
        positions[active] = np.where(goes_left, lefts[current], rights[current])
        active = active[inner[positions[active]]]
    return positions
