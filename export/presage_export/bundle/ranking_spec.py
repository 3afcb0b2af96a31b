"""The part of a manifest that only ranking models have."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

__all__ = ["MAX_GOLDEN_GROUPS", "Interval", "RankingSpec"]

MAX_GOLDEN_GROUPS = 64
"""Most groups of candidates whose order is checked when a bundle is loaded."""

_MAX_COUNT = 10_000
_HOUR_SECONDS = 3_600


class Interval(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A measured number, and where it may lie by a bootstrap over visitors, at 95 %."""

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        _require_finite("interval", (("value", self.value), ("low", self.low), ("high", self.high)))


class RankingSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How candidates were found and ranked when the model was trained, and how well."""

    question: str
    """The question of the log that it answers: ``next-item``, ``next-order`` or ``shown-list``."""
    bucket_seconds: int
    """The width of a bucket of the items' counts; a divisor of an hour."""
    limits: dict[str, int]
    """How many candidates each source adds at most."""
    sources: tuple[str, ...]
    """Where its candidates came from. It may be worse on candidates from elsewhere."""
    label_gains: tuple[float, ...]
    """What an item of each label gains, the label 0 first."""
    truncation_level: int
    """How many places of a list the objective looked at."""
    candidates_per_query: float
    """On average, in the test."""
    tie_rule: str = "digest ascending"
    """What orders items with equal scores."""
    groups: tuple[int, ...]
    """Sizes of the groups of candidates whose order is checked on load: the last golden rows, one group after the other."""
    items: int
    """Items in the tables."""
    metrics: dict[str, dict[str, dict[str, Interval]]] = {}
    """By part of the answers, then by ranker, then by metric."""
    ahead: dict[str, dict[str, Interval]] = {}
    """By part of the answers: how much higher the model's NDCG at 10 is than that of each other ranker, in pairs."""
    importances: dict[str, float] = {}
    """Each feature's share of the model's gain; since format 3 in the manifest itself."""

    def __post_init__(self) -> None:
        if not 1 <= self.bucket_seconds <= _HOUR_SECONDS or _HOUR_SECONDS % self.bucket_seconds:
            raise ValueError(f"ranking.bucket_seconds: expected a divisor of an hour, got {self.bucket_seconds}")
        for name, count in self.limits.items():
            if not 0 <= count <= _MAX_COUNT:
                raise ValueError(f"ranking.limits[{name!r}]: expected 0 to {_MAX_COUNT}, got {count}")
        if not 1 <= self.truncation_level <= _MAX_COUNT:
            raise ValueError(f"ranking.truncation_level: expected 1 to {_MAX_COUNT}, got {self.truncation_level}")
        if not len(self.groups) <= MAX_GOLDEN_GROUPS or not all(1 <= size <= _MAX_COUNT for size in self.groups):
            raise ValueError(
                f"ranking.groups: expected at most {MAX_GOLDEN_GROUPS} sizes of 1 to {_MAX_COUNT}, got {self.groups[:3]}"
            )
        if not 0 <= self.items < 2**31:
            raise ValueError(f"ranking.items: expected 0 to {2**31 - 1}, got {self.items}")
        _require_finite("ranking.label_gains", enumerate(self.label_gains))
        _require_finite("ranking.importances", self.importances.items())
        _require_finite("ranking", [("candidates_per_query", self.candidates_per_query)])


def _require_finite(field: str, items: Iterable[tuple[object, float]]) -> None:
    for key, value in items:
        if not math.isfinite(value):
            raise ValueError(f"{field}[{key!r}]: expected a finite number, got {value}")
