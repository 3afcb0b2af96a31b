"""What explanations need to know of the training data, from the model that was read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from presage_export.additive import AdditiveModel
from presage_export.bundle.explaining.covers import Covers

__all__ = ["read_covers"]


def read_covers(model: AdditiveModel, rows: NDArray[np.float32]) -> Covers | None:
    """Return what an export needs for its scores to be explained; None if the model does not say it.

    Args:
        model: The model.
        rows: Real rows, float32 ``[N, F]``, N > 0: the contributions of a linear part compare a row with their mean.
    """
    if model.trees and model.cover_weighting is None:
        return None
    counts = [node.cover for tree in model.trees for node in tree]
    means = np.zeros(0)
    if not model.has_only_trees:
        with np.errstate(invalid="ignore"):
            means = rows.astype(np.float64).mean(axis=0)
    if not np.isfinite(means).all():
        return None
    return Covers(
        cover=np.array(counts, dtype=np.float64),
        weighting=model.cover_weighting if model.trees else None,
        means=means,
    )
