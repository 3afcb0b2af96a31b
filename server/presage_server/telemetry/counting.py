"""Counters and histograms that cost a few hundred nanoseconds: plain numbers, converted to Prometheus' types on request.

prometheus_client's own take a lock and look their labels up at every count; one call counts half a dozen things. All of these
belong to one event loop, so nothing needs a lock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

__all__ = ["Count", "Counters", "Distribution", "Histograms"]


class Count:
    """One number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self, amount: int = 1) -> None:
        self.value += amount


class Distribution:
    """A histogram of durations."""

    __slots__ = ("counts", "edges", "total")

    def __init__(self, edges: Sequence[float]) -> None:
        self.edges = edges
        self.counts = [0] * (len(edges) + 1)
        self.total = 0.0

    def observe(self, seconds: float, times: int = 1) -> None:
        """Count one, or several that took equally long."""
        self.counts[bisect_left(self.edges, seconds)] += times
        self.total += seconds * times


class Counters(Collector):
    """Counters of one name, one for each combination of label values.

    Args:
        name: Without ``_total``.
        meaning: What is counted.
        labels: Names of the labels.
        known: Values of the labels that are shown from the start, at 0.
    """

    def __init__(
        self, name: str, meaning: str, labels: Sequence[str] = (), known: Sequence[tuple[str, ...]] = ()
    ) -> None:
        self._name, self._meaning, self._labels = name, meaning, labels
        self._counts: defaultdict[tuple[str, ...], Count] = defaultdict(Count)
        for values in known:
            self._counts[values].inc(0)

    def __getitem__(self, values: tuple[str, ...]) -> Count:
        """Find the counter of some values of the labels."""
        return self._counts[values]

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(self._name, self._meaning, labels=self._labels)
        for values, count in sorted(self._counts.items()):
            family.add_metric(values, count.value)
        yield family


class Histograms(Collector):
    """Histograms of one name, one for each value of a label."""

    def __init__(self, name: str, meaning: str, label: str, edges: Sequence[float], known: Sequence[str] = ()) -> None:
        self._name, self._meaning, self._label, self._edges = name, meaning, label, edges
        self._distributions: dict[str, Distribution] = {}
        for value in known:
            self[value]  # shown from the start

    def __getitem__(self, value: str) -> Distribution:
        """Find the histogram of a value of the label."""
        found = self._distributions.get(value)
        if found is None:
            found = self._distributions[value] = Distribution(self._edges)
        return found

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self._name, self._meaning, labels=[self._label])
        for value, one in sorted(self._distributions.items()):
            family.add_metric([value], _buckets(one), one.total)
        yield family


def _buckets(one: Distribution) -> list[tuple[str, float]]:
    edges = [*map(str, one.edges), "+Inf"]
    return list(zip(edges, accumulate(one.counts), strict=True))
