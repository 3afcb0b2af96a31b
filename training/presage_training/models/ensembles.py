"""Several models as one: a stack weights their margins by a logistic regression, a blend averages them.

Weights are fitted on the members' predictions for rows later than those that they were trained on (see ``SearchResult``). Both are
weighted sums of margins, so the result is an additive model again: one graph, and one sum to prove.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from presage_export.bundle.link import apply_link_array
from presage_export.reading.source_model import WeightedSum
from presage_training.models.fitted import FittedModel
from presage_training.models.losses import log_loss
from presage_training.models.rows import Rows

__all__ = ["BLEND_MEMBERS", "STACK_MEMBERS", "fit_blend", "fit_stack"]

STACK_MEMBERS: Final = ("lightgbm-classifier", "xgboost-classifier", "logistic-regression", "random-forest")
"""The members of a stack: log-odds, and the forest's probability."""
BLEND_MEMBERS: Final = ("lightgbm-classifier", "xgboost-classifier", "logistic-regression")
"""The members of a blend: only log-odds can be averaged with each other."""

_STEPS: Final = 300


def fit_stack(members: Sequence[FittedModel], rows: Rows) -> WeightedSum:
    """Weight members by logistic regression on their validated margins (Wolpert, 1992, "Stacked generalization")."""
    margins, targets = _validated(members, rows)
    centres, scales = margins.mean(axis=0), margins.std(axis=0)
    # A constant member gets no weight.
    scales[scales == 0.0] = 1.0
    model = LogisticRegression(max_iter=1_000).fit((margins - centres) / scales, targets)
    weights = model.coef_[0] / scales
    return WeightedSum(
        members=tuple(member.trained for member in members),
        weights=tuple(weights.tolist()),
        intercept=float(model.intercept_[0] - weights @ centres),
        link="logit",
    )


def fit_blend(members: Sequence[FittedModel], rows: Rows) -> WeightedSum:
    """Average members' log-odds with the non-negative weights, 1 in sum, that minimise the log loss.

    The loss is convex in the weights, so exponentiated gradient (Kivinen and Warmuth, 1997) finds its minimum.
    """
    margins, targets = _validated(members, rows)
    weights = np.full(len(members), 1.0 / len(members))
    best, best_loss = weights, np.inf
    for step in range(1, _STEPS + 1):
        probabilities = apply_link_array("logit", margins @ weights)
        if (loss := log_loss(targets, probabilities)) < best_loss:
            best, best_loss = weights, loss
        gradient = margins.T @ (probabilities - targets) / len(targets)
        gradient -= gradient.min()
        # Steps are limited by the largest gradient, and get shorter.
        weights = weights * np.exp(-gradient / (gradient.max() or 1.0) / np.sqrt(step))
        weights /= weights.sum()
    return WeightedSum(
        members=tuple(member.trained for member in members), weights=tuple(best.tolist()), intercept=0.0, link="logit"
    )


def _validated(members: Sequence[FittedModel], rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Stack the members' validated margins, [N, members], and return the targets, [N]."""
    indices = members[0].validated
    for member in members[1:]:
        if not np.array_equal(indices, member.validated):
            raise ValueError(f"members: {member.kind} was validated on other rows than {members[0].kind}")
    return np.stack([member.validated_margins for member in members], axis=1), rows.targets[indices]
