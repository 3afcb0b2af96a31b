"""The metrics of all workers as those of one server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.metrics_core import Metric

from presage_server.telemetry.samples import Plain, text_of, to_metrics

__all__ = ["MergedMetrics"]

_ADDED_UP = {"counter", "histogram"}


class MergedMetrics:
    """Adds up counters and histograms over the workers, and gives every gauge the label ``worker``.

    What workers that have ended had counted stays in the sums, which therefore only ever rise.
    """

    def __init__(self) -> None:
        self._of_ended: list[Metric] = []

    def retire(self, metrics: Plain) -> None:
        """Keep the last known counts of a worker that has ended."""
        ended = (metric for metric in to_metrics(metrics) if metric.type in _ADDED_UP)
        self._of_ended = _merged([*self._of_ended, *ended])

    def text(self, workers: Mapping[int, Plain]) -> bytes:
        """Write the metrics of all in Prometheus' text format.

        Args:
            workers: Those of each worker, by its number.
        """
        return text_of(_merged([*self._of_ended, *_labelled(workers)]))


def _labelled(workers: Mapping[int, Plain]) -> Iterator[Metric]:
    for worker, plain in workers.items():
        for metric in to_metrics(plain):
            if metric.type not in _ADDED_UP:
                metric.samples = [
                    sample._replace(labels={**sample.labels, "worker": str(worker)}) for sample in metric.samples
                ]
            yield metric


def _merged(metrics: Iterable[Metric]) -> list[Metric]:
    """Add up samples of the same name and labels."""
    merged: dict[str, Metric] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for metric in metrics:
        merged.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
        of_metric = values.setdefault(metric.name, {})
        for sample in metric.samples:
            key = sample.name, tuple(sample.labels.items())
            of_metric[key] = of_metric.get(key, 0.0) + sample.value
    for name, metric in merged.items():
        for (sample_name, labels), value in values[name].items():
            metric.add_sample(sample_name, dict(labels), value)
    return list(merged.values())
