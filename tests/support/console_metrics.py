"""Metrics as a console reads them, of a server that does what a test says."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from presage_console.live.scrape import Scrape


def parsed(text: str) -> Mapping[str, Metric]:
    """Parse Prometheus' text format, as the console's reader does."""
    return {metric.name: metric for metric in text_string_to_metric_families(text)}


def scrape_of(text: str, *, at_seconds: float = 1_000.0) -> Scrape:
    """Make a reading of some metrics at a moment."""
    return Scrape.of(parsed(text), int(at_seconds * 1e6))


def counter(name: str, values: Mapping[str, float]) -> str:
    """Write a counter; the keys are the labels as the text has them, such as ``code="OK"``."""
    lines = [f"{name}_total{{{labels}}} {value}" for labels, value in values.items()]
    return "\n".join([f"# TYPE {name}_total counter", *lines, ""])


def gauge(name: str, values: Mapping[str, float]) -> str:
    """Write a gauge, as ``counter``."""
    return "\n".join([f"# TYPE {name} gauge", *(f"{name}{{{labels}}} {value}" for labels, value in values.items()), ""])


def histogram(name: str, buckets_of: Mapping[str, Mapping[str, float]]) -> str:
    """Write a histogram; the keys are the labels, and for each the edges, as ``le`` has them, with what is at most each."""
    lines = [f"# TYPE {name} histogram"]
    for labels, buckets in buckets_of.items():
        lines += [f'{name}_bucket{{{labels},le="{edge}"}} {value}' for edge, value in buckets.items()]
        lines += [f"{name}_count{{{labels}}} {max(buckets.values())}", f"{name}_sum{{{labels}}} 1"]
    return "\n".join([*lines, ""])
