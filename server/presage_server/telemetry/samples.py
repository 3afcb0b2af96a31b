"""Metrics as plain values, which cross from the process that counts to the one that serves them over HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

__all__ = ["Plain", "read_metrics", "text_of", "to_metrics"]

Plain = list[tuple[str, str, str, list[tuple[str, dict[str, str], float]]]]
"""The name, the meaning and the type of each metric, and the name, the labels and the value of each of its samples."""


def read_metrics(registry: CollectorRegistry) -> Plain:
    """Read what a registry counts, in half of the time that writing it as text takes."""
    return [
        (metric.name, metric.documentation, metric.type, [sample[:3] for sample in metric.samples])
        for metric in registry.collect()
    ]


def to_metrics(plain: Iterable[Sequence[Any]]) -> list[Metric]:
    """Make metrics of what ``read_metrics`` has read."""
    metrics = []
    for name, meaning, kind, samples in plain:
        metric = Metric(name, meaning, kind)
        for sample in samples:
            metric.add_sample(*sample)
        metrics.append(metric)
    return metrics


def text_of(metrics: Iterable[Metric]) -> bytes:
    """Write metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(list(metrics)))
    return generate_latest(registry)


class _Given(Collector):
    """A collector of ready-made metrics."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics
