"""What is running, as a metric: the release and the models."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Gauge

__all__ = ["export_build_info", "installed_version"]


def installed_version() -> str:
    """Return the release of Presage that is installed."""
    return version("presage-scoring")


def export_build_info(registry: CollectorRegistry, models: Iterable[tuple[str, str]]) -> None:
    """Export ``presage_build_info``: 1 for each model, with its name, its version and Presage's as labels."""
    info = Gauge(
        "presage_build_info",
        "1 for each model that is served, with its version and Presage's own.",
        ("version", "model", "model_version"),
        registry=registry,
    )
    release = installed_version()
    for model, model_version in models:
        info.labels(release, model, model_version).set(1)
