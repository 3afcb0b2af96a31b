"""What is running, as a metric: the release and the models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

__all__ = ["BuildInfo", "installed_version"]


def installed_version() -> str:
    """Return the release of Presage that is installed."""
    return version("presage-scoring")


class BuildInfo(Collector):
    """``presage_build_info``: 1 for each version of a model, with its name and Presage's release as labels.

    Args:
        models: Returns the names and versions that are served now.
    """

    def __init__(self, models: Callable[[], Iterable[tuple[str, str]]]) -> None:
        self._models = models
        self._release = installed_version()

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            "presage_build_info",
            "1 for each model that is served, with its version and Presage's own.",
            labels=("version", "model", "model_version"),
        )
        for model, model_version in self._models():
            info.add_metric((self._release, model, model_version), 1)
        yield info
