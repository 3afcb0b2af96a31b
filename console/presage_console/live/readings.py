"""What a server did between two readings of its metrics, and in the last minutes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Final, Protocol, Self, TypeVar

from presage_console.live.distribution import Distribution
from presage_console.live.scrape import Increase, Scrape

__all__ = ["FAULTS", "KEPT_SECONDS", "Point", "Readings", "VersionCounts"]

KEPT_SECONDS: Final = 180.0
"""How far back charts go."""
_LONGEST_SECONDS: Final = 30.0
"""A longer time without a reading is not charted: nobody had the page open, or the server was away."""

FAULTS: Final = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN", "DATA_LOSS")
"""Statuses that say that the server or its store failed; RESOURCE_EXHAUSTED are calls that were rejected, others the caller's."""
_REJECTED: Final = "RESOURCE_EXHAUSTED"

Counts = Mapping[str, float]


class _Addable(Protocol):
    def __add__(self, other: Self, /) -> Self: ...


_K = TypeVar("_K")
_A = TypeVar("_A", bound=_Addable)


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionCounts:
    """What a version of a model did for the visitors of one arm."""

    scores: float = 0.0
    score_sum: float = 0.0
    errors: float = 0.0
    degraded: float = 0.0

    def __add__(self, other: VersionCounts) -> VersionCounts:
        return VersionCounts(
            scores=self.scores + other.scores,
            score_sum=self.score_sum + other.score_sum,
            errors=self.errors + other.errors,
            degraded=self.degraded + other.degraded,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """What was counted in some seconds; nothing if the server could not be read."""

    unix_micros: int
    """Its end."""
    seconds: float = 0.0
    """How long it was; 0 if there is no reading before it, or none now."""
    calls: Counts = field(default_factory=dict)
    """Calls that have ended, by method."""
    codes: Counts = field(default_factory=dict)
    """The same, by status."""
    events: Counts = field(default_factory=dict)
    """Events, by outcome."""
    histories: Counts = field(default_factory=dict)
    """Scores and ranked lists, by what was known of the visitor."""
    latencies: Mapping[str, Distribution] = field(default_factory=dict)
    """Seconds in the server, by method."""
    stages: Mapping[str, Distribution] = field(default_factory=dict)
    """Seconds in each stage of a call."""
    scores: Mapping[tuple[str, str], Distribution] = field(default_factory=dict)
    """Scores, by model and version."""
    versions: Mapping[tuple[str, str, str], VersionCounts] = field(default_factory=dict)
    """By model, version and arm."""
    store_rejections: float = 0.0
    store_conflicts: float = 0.0
    cpu_seconds: float = 0.0
    """Processor time of the server, or of all its workers."""

    @classmethod
    def of(cls, increase: Increase) -> Point:
        """Take what is shown from two readings."""
        of_versions = ("model", "version", "arm")
        fields = {
            name: increase.by_labels(f"presage_version_{name}_total", *of_versions, may_fall=name == "score_sum")
            for name in ("scores", "score_sum", "errors", "degraded")
        }
        histories = increase.by("presage_scores_total", "history")
        return cls(
            unix_micros=increase.after.unix_micros,
            seconds=increase.seconds,
            calls=increase.by("grpc_server_handled_total", "grpc_method"),
            codes=increase.by("grpc_server_handled_total", "grpc_code"),
            events=increase.by("presage_events_total", "outcome"),
            histories=_added(histories, increase.by("presage_rankings_total", "history")),
            latencies=_unkeyed(increase.distributions("grpc_server_handling_seconds", "grpc_method")),
            stages=_unkeyed(increase.distributions("presage_stage_seconds", "stage")),
            scores={
                (model, version): distribution
                for (model, version), distribution in increase.distributions(
                    "presage_served_score", "model", "model_version"
                ).items()
            },
            versions={
                (model, version, arm): VersionCounts(
                    **{name: counts.get((model, version, arm), 0.0) for name, counts in fields.items()}
                )
                for model, version, arm in fields["scores"]
            },
            store_rejections=increase.total("presage_store_rejections_total"),
            store_conflicts=increase.total("presage_store_conflicts_total"),
            cpu_seconds=increase.total("process_cpu_seconds_total"),
        )

    def rate(self, count: Callable[[Point], float]) -> float | None:
        """Return how often something happened in a second; None where nothing was read."""
        return count(self) / self.seconds if self.seconds else None

    @property
    def rejected(self) -> float:
        """Calls that were rejected because they could not be answered in time."""
        return self.codes.get(_REJECTED, 0.0)

    @property
    def failed(self) -> float:
        """Calls that failed through the server or its store."""
        return sum(self.codes.get(code, 0.0) for code in FAULTS)


class Readings:
    """The readings of one server, oldest first: what was counted between them, and the newest one."""

    def __init__(self) -> None:
        self._points: deque[Point] = deque()
        self.newest: Scrape | None = None
        """The newest reading that succeeded; None before the first."""
        self.problem = ""
        """Why there is no newer one; empty if there is."""
        self._is_base = False
        """Whether the next reading continues the newest one."""

    def take(self, scrape: Scrape) -> None:
        """Take a reading."""
        increase = Increase(self.newest, scrape) if self.newest is not None and self._is_base else None
        self.newest, self.problem, self._is_base = scrape, "", True
        if increase is not None and 0.0 < increase.seconds <= _LONGEST_SECONDS:
            self._append(Point.of(increase))
        else:
            self._append(Point(unix_micros=scrape.unix_micros))

    def miss(self, unix_micros: int, problem: str) -> None:
        """Note that the server could not be read, and why.

        What it counts until it is read again is not shown: part of it may be lost, and nobody knows when it was.
        """
        self.problem, self._is_base = problem, False
        self._append(Point(unix_micros=unix_micros))

    @property
    def points(self) -> Sequence[Point]:
        """What was counted, oldest first; those without seconds are gaps."""
        return tuple(self._points)

    def last(self, seconds: float) -> Point:
        """Add up the last seconds before the newest reading, as far as they were read.

        Where nothing was, that is what was counted since the server was started.
        """
        recent = self._recent(seconds)
        if recent or self.newest is None:
            return _sum(self.newest.unix_micros if self.newest else 0, recent)
        return self._since_start(self.newest)

    def is_since_start(self, seconds: float) -> bool:
        """Whether nothing was read in the last seconds, so that ``last`` goes back to the start of the server."""
        return not self._recent(seconds)

    def _recent(self, seconds: float) -> list[Point]:
        end = self.newest.unix_micros if self.newest else 0
        return [point for point in self._points if point.seconds and end - point.unix_micros < seconds * 1e6]

    @staticmethod
    def _since_start(newest: Scrape) -> Point:
        started = newest.started_seconds
        if not isfinite(started) or started * 1e6 >= newest.unix_micros:  # its host's clock is ahead of this one's
            return Point(unix_micros=newest.unix_micros)
        return Point.of(Increase(Scrape(int(started * 1e6), {}), newest))

    def _append(self, point: Point) -> None:
        points = self._points
        if points and point.unix_micros <= points[-1].unix_micros:
            points.clear()  # the clock was set back
        points.append(point)
        while point.unix_micros - points[0].unix_micros > KEPT_SECONDS * 1e6:
            points.popleft()


def _sum(unix_micros: int, points: Sequence[Point]) -> Point:
    return Point(
        unix_micros=unix_micros,
        seconds=sum(point.seconds for point in points),
        calls=_added(*(point.calls for point in points)),
        codes=_added(*(point.codes for point in points)),
        events=_added(*(point.events for point in points)),
        histories=_added(*(point.histories for point in points)),
        latencies=_joined(point.latencies for point in points),
        stages=_joined(point.stages for point in points),
        scores=_joined(point.scores for point in points),
        versions=_joined(point.versions for point in points),
        store_rejections=sum(point.store_rejections for point in points),
        store_conflicts=sum(point.store_conflicts for point in points),
        cpu_seconds=sum(point.cpu_seconds for point in points),
    )


def _added(*counts: Counts) -> Counts:
    return {key: sum(of.get(key, 0.0) for of in counts) for key in dict.fromkeys(key for of in counts for key in of)}


def _joined(mappings: Iterable[Mapping[_K, _A]]) -> dict[_K, _A]:
    joined: dict[_K, _A] = {}
    for mapping in mappings:
        for key, value in mapping.items():
            joined[key] = joined[key] + value if key in joined else value
    return joined


def _unkeyed(distributions: Mapping[tuple[str, ...], Distribution]) -> dict[str, Distribution]:
    return {key: distribution for (key,), distribution in distributions.items()}
