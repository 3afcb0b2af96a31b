"""Figures of comparisons, as the cells of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from presage_training.verdicts import Estimate, Interval

__all__ = ["cells", "span"]


def cells(estimate: Estimate) -> tuple[str, str, str, str]:
    """Return the figures of both versions, their difference, and what it lies between."""
    difference = estimate.difference
    return f"{estimate.a.value:.4f}", f"{estimate.b.value:.4f}", f"{difference.value:+.4f}", span(difference)


def span(interval: Interval) -> str:
    """Return what a figure lies between."""
    return f"{interval.low:.4f} to {interval.high:.4f}"
