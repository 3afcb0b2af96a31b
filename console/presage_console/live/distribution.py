"""Histograms as Prometheus has them, as counts of their own: what is left of one after another, and quantiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite

__all__ = ["Distribution", "Quantile"]


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile as a histogram gives it, in the unit of its edges."""

    value: float
    is_bound: bool = False
    """Whether it is only known to be above ``value``, the last edge."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many values there were between some edges.

    Raises:
        ValueError: The edges do not rise to infinity, or there is not one count for each.
    """

    edges: tuple[float, ...]
    """The upper ends of the classes; the last is infinity."""
    counts: tuple[float, ...]
    """The values in each class."""

    def __post_init__(self) -> None:
        rising = all(low < high for low, high in zip(self.edges, self.edges[1:], strict=False))
        if not self.edges or self.edges[-1] != inf or not rising:
            raise ValueError(f"edges: expected numbers that rise to infinity, got {self.edges}")
        if len(self.counts) != len(self.edges):
            raise ValueError(f"counts: expected {len(self.edges)}, one for each edge, got {len(self.counts)}")

    @classmethod
    def of_buckets(cls, buckets: Mapping[float, float]) -> Distribution:
        """Make one of Prometheus' buckets: how many values were at most each edge."""
        edges = tuple(sorted({*buckets, inf}))
        below = [buckets.get(edge, max(buckets.values(), default=0.0)) for edge in edges]
        return cls(edges, tuple(max(high - low, 0.0) for low, high in zip([0.0, *below], below, strict=False)))

    @property
    def total(self) -> float:
        """How many values there were."""
        return sum(self.counts)

    def __add__(self, other: Distribution) -> Distribution:
        """Count both; of different edges, the newer ones, which are those of ``other``, are kept."""
        if self.edges != other.edges:
            return other
        return Distribution(self.edges, tuple(one + more for one, more in zip(self.counts, other.counts, strict=True)))

    def since(self, earlier: Distribution | None) -> Distribution:
        """Return what was counted after an earlier reading.

        One that has counted less than before, or between other edges, was begun again: all of it is new.
        """
        if earlier is None or earlier.edges != self.edges:
            return self
        grown = tuple(now - then for now, then in zip(self.counts, earlier.counts, strict=True))
        return self if min(grown) < 0 else Distribution(self.edges, grown)

    def quantile(self, share: float) -> Quantile | None:
        """Return what a share of the values is at most, as if those of a class were spread evenly; None without values."""
        if not self.total:
            return None
        wanted, below, low = share * self.total, 0.0, min(0.0, self.edges[0])
        for edge, count in zip(self.edges, self.counts, strict=True):
            if count and below + count >= wanted:
                if not isfinite(edge):
                    return Quantile(low, is_bound=True)
                return Quantile(low + (edge - low) * max(wanted - below, 0.0) / count)
            below, low = below + count, edge if isfinite(edge) else low
        return Quantile(low, is_bound=True)

    def share_up_to(self, value: float) -> float | None:
        """Return the share of the values that are at most ``value``, by whole classes: never too many. None without values."""
        if not self.total:
            return None
        return sum(count for edge, count in zip(self.edges, self.counts, strict=True) if edge <= value) / self.total
