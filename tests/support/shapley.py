"""Shapley values by their definition: the sum over all subsets, for trees and linear models of few features."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING

import numpy as np

from presage_export.additive import AdditiveModel, Leaf, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray


def tree_mean(tree: Tree, row: NDArray[np.float32], known: Collection[int], position: int = 0) -> float:
    """Return the mean of a tree where some features are known: splits on others are passed as the training data did."""
    node = tree[position]
    if isinstance(node, Leaf):
        return node.value
    if node.feature in known:
        value = row[node.feature]
        goes_left = node.nan_goes_left if np.isnan(value) else value <= node.threshold
        return tree_mean(tree, row, known, node.left if goes_left else node.right)
    assert node.cover is not None
    left, right = tree[node.left], tree[node.right]
    return sum(
        child.cover / node.cover * tree_mean(tree, row, known, place)
        for child, place in ((left, node.left), (right, node.right))
        if child.cover
    )


def model_mean(
    model: AdditiveModel, row: NDArray[np.float32], means: NDArray[np.float64]
) -> Callable[[Collection[int]], float]:
    """Return the function from a set of known features to the mean margin."""

    def mean(known: Collection[int]) -> float:
        values = [float(row[feature]) if feature in known else means[feature] for feature in range(len(row))]
        linear = sum(a * b for a, b in zip(model.coefficients, values, strict=False))
        return model.intercept + linear + sum(tree_mean(tree, row, known) for tree in model.trees)

    return mean


def shapley_values(mean: Callable[[Collection[int]], float], count: int) -> NDArray[np.float64]:
    """Return the base and one contribution for each of ``count`` features, by the definition."""
    values = {frozenset(known): mean(known) for size in range(count + 1) for known in combinations(range(count), size)}
    contributions = np.zeros(count)
    for feature in range(count):
        for known, value in values.items():
            if feature not in known:
                weight = factorial(len(known)) * factorial(count - len(known) - 1) / factorial(count)
                contributions[feature] += weight * (values[known | {feature}] - value)
    return np.append(values[frozenset()], contributions)
