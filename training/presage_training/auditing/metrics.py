"""What a following audit has found, as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from presage_training.auditing.following import AuditProgress
from presage_training.errors import AuditStateError

__all__ = ["AuditMetrics", "metrics_server"]


class AuditMetrics(Collector):
    """Reports the progress of an audit.

    Args:
        progress: What was audited.
        behind_seconds: Returns how long the oldest batch that was not audited has been waiting; 0 if there is none.
    """

    def __init__(self, progress: AuditProgress, behind_seconds: Callable[[], float]) -> None:
        self._progress = progress
        self._behind_seconds = behind_seconds

    def collect(self) -> Iterator[Metric]:
        """Report."""
        progress = self._progress
        mismatches = CounterMetricFamily(
            "presage_audit_mismatches",
            "Served vectors that a replay does not reproduce, by the first feature that differs.",
            labels=("model", "feature"),
        )
        for labels, count in dict(progress.mismatches).items():
            mismatches.add_metric(labels, count)
        yield mismatches
        compared = progress.same + progress.mismatches.total()
        yield CounterMetricFamily(
            "presage_audit_compared", "Served vectors that were compared with a replay.", value=compared
        )
        skipped = CounterMetricFamily(
            "presage_audit_not_comparable", "Served vectors that could not be compared.", labels=("reason",)
        )
        for reason, count in dict(progress.skipped).items():
            skipped.add_metric((reason,), count)
        yield skipped
        yield CounterMetricFamily("presage_audit_events", "Events that were replayed.", value=progress.events)
        yield GaugeMetricFamily(
            "presage_audit_lag_batches", "Archived batches that are not audited yet.", value=progress.batches_behind
        )
        yield GaugeMetricFamily(
            "presage_audit_lag_seconds",
            "How long there have been batches that are not audited, but for the newest one.",
            value=self._behind_seconds(),
        )


@contextmanager
def metrics_server(port: int, metrics: AuditMetrics) -> Iterator[int]:
    """Serve metrics over HTTP; yield the port, which is chosen if 0 was given.

    Raises:
        AuditStateError: The port cannot be listened on.
    """
    registry = CollectorRegistry()
    registry.register(metrics)
    try:
        server, thread = start_http_server(port, registry=registry)
    except OSError as error:
        raise AuditStateError(f"--metrics-port: cannot listen on {port}: {error.strerror or error}") from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
