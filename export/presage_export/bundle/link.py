"""From a model's raw margin to its prediction, in double precision outside the graph."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Link", "apply_link", "apply_link_array", "logistic"]

Link = Literal["logit", "identity", "probability"]
"""``logit``: the margin is a log-odds, the prediction a probability. ``identity``: the margin is the prediction, in any unit.
``probability``: the margin is a probability already, as of a random forest, except that rounding may exceed 0 to 1."""


def logistic(margin: float) -> float:
    """Compute ``1 / (1 + exp(-margin))``; NaN stays NaN.

    Never overflows: the exponential is only taken of numbers that are not positive.
    """
    if margin >= 0.0:
        return 1.0 / (1.0 + math.exp(-margin))
    odds = math.exp(margin)
    return odds / (1.0 + odds)


def apply_link(link: Link, margin: float) -> float:
    """Turn a margin into a prediction; NaN stays NaN.

    Raises:
        ValueError: ``link`` is not a valid ``Link``.
    """
    if link == "logit":
        return logistic(margin)
    if link == "identity":
        return margin
    if link == "probability":
        # Written so that NaN stays NaN.
        return 0.0 if margin < 0.0 else min(margin, 1.0)
    raise ValueError(f"link: expected 'logit', 'identity' or 'probability', got {link!r}")


def apply_link_array(link: Link, margins: NDArray[np.floating]) -> NDArray[np.float64]:
    """Turn margins ``[N]`` into predictions, float64 ``[N]``, bit for bit those of ``apply_link``."""
    # NumPy's vectorised exp may differ from the C library's in the last bit, so this is a loop.
    return np.array([apply_link(link, margin) for margin in margins.tolist()], dtype=np.float64)
