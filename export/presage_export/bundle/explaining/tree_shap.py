"""Exact Shapley values of trees, for one row at a time.

The value of a set of features is the mean of a tree where only these are known, and splits on others are passed as by the training
data (path-dependent TreeSHAP, Lundberg et al., 2020, "From local explanations to global understanding"). For a leaf of value v
whose path has the features j, each passed by the share z of the training data, and by the row (o = 1) or not (o = 0),

    contribution of i  =  v (o_i - z_i) · ∫ 0..1  Π j≠i (z_j (1 - t) + o_j t) dt

The integrand is a polynomial of degree m - 1 for m features, so that Gauss-Legendre quadrature with m / 2 points gives the integral
itself (Quadrature-TreeSHAP, https://arxiv.org/abs/2605.04497). No sum over sets, and nothing that overflows in deep trees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.explaining.paths import Paths

__all__ = ["PathTables", "add_contributions", "make_tables"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PathTables:
    """Paths, with what does not depend on the row; k is how many points the integral takes."""

    paths: Paths
    points: NDArray[np.float64]
    """Where the integrand is evaluated, ``[k]``, between 0 and 1."""
    weights: NDArray[np.float64]
    """The weight of each point by the value of each path's leaf, ``[k, P]``."""


def make_tables(paths: Paths) -> PathTables:
    """Choose the points that are exact for these paths."""
    points, weights = np.polynomial.legendre.leggauss((paths.longest + 1) // 2)
    return PathTables(paths=paths, points=(points + 1.0) / 2.0, weights=np.multiply.outer(weights / 2.0, paths.values))


def add_contributions(tables: PathTables, row: NDArray[np.float32], contributions: NDArray[np.float64]) -> None:
    """Add what each feature of a row contributes on these paths.

    Args:
        tables: The paths.
        row: float32 ``[F]``, finite or NaN.
        contributions: float64 ``[F]``, added to.
    """
    paths = tables.paths
    values = row[paths.feature]
    # As ONNX Runtime compares: float32 with float32.
    passes = (values > paths.low) & (values <= paths.high)
    if np.isnan(row).any():
        passes |= np.isnan(values) & paths.takes_nan
    gain = passes - paths.share
    factors = np.multiply.outer(tables.points, gain)
    factors += paths.share
    products = np.multiply.reduceat(factors, paths.starts, axis=1)
    products *= tables.weights
    # The product of the others is that of all by one's own, which is never 0.
    integrals = products.take(paths.path, axis=1)
    integrals /= factors
    gain *= np.einsum("ke->e", integrals)
    contributions += np.bincount(paths.feature, weights=gain, minlength=len(contributions))
