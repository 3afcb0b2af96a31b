"""Whether two models put candidates into the same order, up to near-ties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.parity import margin_limits
from presage_export.errors import ParityError

__all__ = ["OrderReport", "compare_order"]


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderReport:
    """How near two orders are that differ at most where margins are nearly equal."""

    groups: int
    """Groups of candidates compared."""
    near_ties: int
    """Groups in another order, because margins in them differ by less than the tolerance."""


def compare_order(
    expected: NDArray[np.float64],
    actual: NDArray[np.float32],
    sizes: Sequence[int],
    *,
    rows: NDArray[np.float32],
    trees: int,
) -> OrderReport:
    """Compare the orders of candidates by the margins of two models.

    A candidate may be placed before another only if the source model's margin of it is higher, equal, or lower by no more than the
    two margins may differ by rounding.

    Args:
        expected: Margins of the source model, float64 ``[N]``, one group after the other.
        actual: Margins of the export, float32 ``[N]``.
        sizes: The groups' sizes; their sum is N.
        rows: The rows, float32 ``[N, F]``.
        trees: Number of trees in the sum.

    Raises:
        ParityError: A group is in another order.
        ValueError: The sizes are not those of the rows.
    """
    if sum(sizes) != len(expected):
        raise ValueError(f"groups: expected sizes with a sum of {len(expected)}, got {sum(sizes)}")
    limits = 2 * margin_limits(expected, link="identity", trees=trees)
    near_ties = 0
    start = 0
    for size in sizes:
        group = slice(start, start + size)
        order = start + np.argsort(-actual[group], kind="stable")
        near_ties += not np.array_equal(order, start + np.argsort(-expected[group], kind="stable"))
        lowest_before = np.minimum.accumulate(expected[order])[:-1]
        wrong = expected[order[1:]] - lowest_before > limits[order[1:]]
        if wrong.any():
            worst = int(order[1:][np.argmax(wrong)])
            raise ParityError(
                f"a group of {size} candidates is in another order",
                row_index=worst,
                row=rows[worst],
                expected_margin=float(expected[worst]),
                actual_margin=float(actual[worst]),
            )
        start += size
    return OrderReport(groups=len(sizes), near_ties=near_ties)
