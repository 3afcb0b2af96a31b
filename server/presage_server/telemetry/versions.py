"""What is counted of each version of a model: for Prometheus, and for the guard that rolls a challenger back."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator
from itertools import accumulate
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from presage_export.registry import Arm

__all__ = ["RUN_EDGES_SECONDS", "ArmCounts", "Version", "VersionCounts", "VersionMetrics"]

_SMALLEST_SECONDS, _EDGES = 2e-6, 60
RUN_EDGES_SECONDS = tuple(_SMALLEST_SECONDS * 1.25**step for step in range(_EDGES))
"""The upper ends of the classes that the times of runs are counted in; the last class is open."""
_SHOWN = range(0, _EDGES, 5)
"""Every how many of them Prometheus gets."""
_ROW_CLASSES = 8
"""Runs are counted by their rows, in powers of two, since a run of many rows takes longer; the last class is 128 and more."""

_OF_ARMS = {
    "scores": "Scores, or ranked lists, that callers got, by the version and the arm of the visitor.",
    "errors": "Scores, or ranked lists, that failed, by the version and the arm of the visitor.",
    "degraded": "Scores, or ranked lists, without the visitor's history because it could not be read.",
    "score_sum": "Sum of the scores that callers got: divided by their number, the mean score.",
}
_OF_VERSIONS = {
    "paired": "Visitors that all loaded versions have scored at the same moment.",
    "paired_score_sum": "Sum of the scores of these visitors.",
    "paired_features": "Features of these visitors, as the version sees them.",
    "paired_defaults": "Those of these features that are at their defaults.",
    "paired_others": "Scores, or ranked lists, of visitors that another version serves.",
    "paired_errors": "Scores, or ranked lists, that failed, of visitors that another version serves.",
}


class Version(Protocol):
    """A version of a model; equal only to itself."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...


class ArmCounts:
    """What a version did for the visitors of one arm."""

    __slots__ = ("degraded", "errors", "score_sum", "scores")

    def __init__(self) -> None:
        self.scores = self.degraded = self.errors = 0
        self.score_sum = 0.0

    def add(self, scores: int, score_sum: float) -> None:
        """Count some scores."""
        self.scores += scores
        self.score_sum += score_sum


class VersionCounts:
    """What a version did for all visitors, and in pairs with other versions."""

    __slots__ = (
        "paired",
        "paired_defaults",
        "paired_errors",
        "paired_features",
        "paired_others",
        "paired_score_sum",
        "run_seconds",
        "runs",
    )

    def __init__(self) -> None:
        self.runs = [[0] * (_EDGES + 1) for _ in range(_ROW_CLASSES)]
        """How many runs took how long, by the class of their rows, then by that of their time."""
        self.run_seconds = 0.0
        self.paired = 0
        """Scores of visitors that all loaded versions have scored at the same moment."""
        self.paired_score_sum = 0.0
        self.paired_features = self.paired_defaults = 0
        """Features of these visitors, and how many of them were those of a visitor without history."""
        self.paired_others = self.paired_errors = 0
        """Scores of visitors that other versions serve, and those that failed."""

    def observe_run(self, seconds: float, rows: int) -> None:
        """Count one run of the model."""
        self.runs[min(rows.bit_length(), _ROW_CLASSES) - 1][bisect_left(RUN_EDGES_SECONDS, seconds)] += 1
        self.run_seconds += seconds


class VersionMetrics(Collector):
    """The counts of all versions that are loaded. A version's labels go when it does, so that their number is bounded."""

    def __init__(self) -> None:
        self._arms: dict[tuple[Version, int], ArmCounts] = {}
        self._versions: dict[Version, VersionCounts] = {}

    def of_arm(self, version: Version, arm: int) -> ArmCounts:
        """Find the counts of a version and an arm, a number of ``presage.v1.Arm``."""
        found = self._arms.get((version, arm))
        if found is None:
            found = self._arms[version, arm] = ArmCounts()
        return found

    def of(self, version: Version) -> VersionCounts:
        """Find the counts of a version."""
        found = self._versions.get(version)
        if found is None:
            found = self._versions[version] = VersionCounts()
        return found

    def count_served(self, version: Version) -> tuple[int, int]:
        """Return how many scores of a version callers got, and how many failed, over all arms."""
        arms = [counts for (counted, _), counts in self._arms.items() if counted is version]
        return sum(counts.scores for counts in arms), sum(counts.errors for counts in arms)

    def keep(self, loaded: Collection[Version]) -> None:
        """Drop the counts of versions that are not loaded any more."""
        for version in [version for version in self._versions if version not in loaded]:
            del self._versions[version]
        for key in [key for key in self._arms if key[0] not in loaded]:
            del self._arms[key]

    def collect(self) -> Iterator[Metric]:
        for name, meaning in _OF_ARMS.items():
            family = CounterMetricFamily(f"presage_version_{name}", meaning, labels=("model", "version", "arm"))
            for (version, arm), counts in list(self._arms.items()):
                family.add_metric((version.name, version.version, Arm(arm).name.lower()), getattr(counts, name))
            yield family
        for name, meaning in _OF_VERSIONS.items():
            family = CounterMetricFamily(f"presage_version_{name}", meaning, labels=("model", "version"))
            for version, of_version in list(self._versions.items()):
                family.add_metric((version.name, version.version), getattr(of_version, name))
            yield family
        runs = HistogramMetricFamily(
            "presage_version_run_seconds",
            "Time that a run of each version takes, of any number of rows.",
            labels=("model", "version"),
        )
        for version, of_version in list(self._versions.items()):
            runs.add_metric((version.name, version.version), _buckets(of_version), of_version.run_seconds)
        yield runs


def _buckets(counts: VersionCounts) -> list[tuple[str, float]]:
    below = list(accumulate(map(sum, zip(*counts.runs, strict=True))))
    return [*((f"{RUN_EDGES_SECONDS[edge]:.3g}", below[edge]) for edge in _SHOWN), ("+Inf", below[-1])]
