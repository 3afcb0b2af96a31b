"""What is counted of changes of the models, in the process that follows their folder."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from presage_server.models.plan import Plan
from presage_server.telemetry.counting import Counters

__all__ = ["ReloadMetrics"]


class ReloadMetrics(Collector):
    """Counts changes, and shows what is rejected at the moment."""

    def __init__(self) -> None:
        self._reloads = Counters(
            "presage_model_reloads",
            "Changes of the versions that serve, by outcome.",
            ("outcome",),
            known=[("changed",), ("failed",)],
        )
        self._rejected = Counters(
            "presage_model_rejected",
            "Versions and files of aliases that appeared while the server ran and were rejected, by model and reason.",
            ("model", "reason"),
        )
        self._plan = Plan()

    def show(self, plan: Plan) -> None:
        """Show the problems of a plan."""
        self._plan = plan
        for name in plan.models:
            self._rejected[name, "broken"].inc(0)

    def count_rejected(self, name: str) -> None:
        """Count a version that cannot be served."""
        self._rejected[name, "broken"].inc()

    def count_unreadable(self, name: str) -> None:
        """Count a version that could not be read, and is read again later."""
        self._rejected[name, "unreadable"].inc()

    def count_older(self, name: str) -> None:
        """Count a version that could be served, but is older than the one that is."""
        self._rejected[name, "older"].inc()

    def count_changed(self) -> None:
        """Count a change."""
        self._reloads["changed",].inc()

    def count_failed(self) -> None:
        """Count a change that was not made."""
        self._reloads["failed",].inc()

    def collect(self) -> Iterator[Metric]:
        yield from self._reloads.collect()
        yield from self._rejected.collect()
        problems = GaugeMetricFamily(
            "presage_model_problem", "1 for each version that cannot be served.", labels=("model", "model_version")
        )
        for name, found in self._plan.problems.items():
            for version in found:
                problems.add_metric((name, version), 1)
        yield problems
