"""One reading of the metrics, and what was counted between two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite, nan

from prometheus_client import Metric

from presage_console.live.distribution import Distribution

__all__ = ["Increase", "Labels", "Scrape"]

Labels = tuple[tuple[str, str], ...]
"""The names and values of a series' labels, sorted."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """The metrics of a server, or of all its workers, at one moment."""

    unix_micros: int
    """When they were read."""
    samples: Mapping[str, Mapping[Labels, float]]
    """The values of each series, by the name of its samples."""

    @classmethod
    def of(cls, metrics: Mapping[str, Metric], unix_micros: int) -> Scrape:
        """Take what Prometheus' parser has read; values that are not numbers are left out."""
        samples: dict[str, dict[Labels, float]] = {}
        for metric in metrics.values():
            for sample in metric.samples:
                if isfinite(sample.value):
                    series = samples.setdefault(sample.name, {})
                    series[tuple(sorted(sample.labels.items()))] = sample.value
        return cls(unix_micros, samples)

    def series(self, name: str, **where: str) -> Iterator[tuple[dict[str, str], float]]:
        """Yield the labels and the value of each series of a name whose labels are these."""
        for labels, value in self.samples.get(name, {}).items():
            of = dict(labels)
            if all(of.get(label) == wanted for label, wanted in where.items()):
                yield of, value

    def value(self, name: str, **where: str) -> float:
        """Return the sum of a name's series; NaN if there is none."""
        values = [value for _, value in self.series(name, **where)]
        return sum(values) if values else nan

    @property
    def started_seconds(self) -> float:
        """When the server was started, in seconds of Unix time; NaN if it does not say.

        With workers, that is their supervisor: it keeps what those that have ended had counted.
        """
        supervisor = self.value("presage_worker_restarts_created")
        return supervisor if isfinite(supervisor) else self.value("process_start_time_seconds")


@dataclass(frozen=True, slots=True)
class Increase:
    """What was counted from one reading to the next.

    A counter that is lower than before was set back to 0 in between, and so were all of a server that was started again: what they
    have now was counted since. A series that was not there before has begun at 0.
    """

    before: Scrape
    after: Scrape

    @property
    def seconds(self) -> float:
        """How long it took; not above 0 if the clock was set back."""
        return (self.after.unix_micros - self.before.unix_micros) / 1e6

    @property
    def is_restart(self) -> bool:
        """Whether the server was started again in between."""
        then, now = self.before.started_seconds, self.after.started_seconds
        return isfinite(then) and isfinite(now) and now > then

    def by(self, name: str, label: str, **where: str) -> dict[str, float]:
        """Return by how much the counters of a name have grown, by the value of a label."""
        grown: dict[str, float] = {}
        for labels, more in self._grown(name, where):
            value = labels.get(label, "")
            grown[value] = grown.get(value, 0.0) + more
        return grown

    def by_labels(self, name: str, *wanted: str, may_fall: bool = False) -> dict[tuple[str, ...], float]:
        """Return by how much the counters of a name have grown, by the values of some labels.

        Args:
            name: Of the counters.
            wanted: The labels.
            may_fall: Whether a lower value is no sign that they were set back, as in a sum of amounts.
        """
        grown: dict[tuple[str, ...], float] = {}
        for labels, more in self._grown(name, {}, may_fall=may_fall):
            key = tuple(labels.get(label, "") for label in wanted)
            grown[key] = grown.get(key, 0.0) + more
        return grown

    def total(self, name: str, **where: str) -> float:
        """Return by how much all counters of a name have grown."""
        return sum(more for _, more in self._grown(name, where))

    def distributions(self, name: str, *wanted: str) -> dict[tuple[str, ...], Distribution]:
        """Return what the histograms of a name have counted, by the values of some labels.

        Args:
            name: Without ``_bucket``.
            wanted: All labels of it but ``le``.
        """
        earlier = {} if self.is_restart else _buckets(self.before, name, wanted)
        return {
            key: Distribution.of_buckets(buckets).since(
                Distribution.of_buckets(earlier[key]) if key in earlier else None
            )
            for key, buckets in _buckets(self.after, name, wanted).items()
        }

    def _grown(
        self, name: str, where: Mapping[str, str], *, may_fall: bool = False
    ) -> Iterator[tuple[dict[str, str], float]]:
        earlier = {} if self.is_restart else self.before.samples.get(name, {})
        for labels, value in self.after.series(name, **where):
            then = earlier.get(tuple(sorted(labels.items())), 0.0)
            yield labels, value - then if value >= then or may_fall else value


def _buckets(scrape: Scrape, name: str, wanted: tuple[str, ...]) -> dict[tuple[str, ...], dict[float, float]]:
    found: dict[tuple[str, ...], dict[float, float]] = {}
    for labels, value in scrape.series(f"{name}_bucket"):
        key = tuple(labels.get(label, "") for label in wanted)
        buckets, edge = found.setdefault(key, {}), float(labels["le"])
        buckets[edge] = buckets.get(edge, 0.0) + value
    return found
