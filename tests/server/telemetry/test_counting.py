"""Counters and histograms, as Prometheus reads them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from presage_server.telemetry.counting import Counters, Histograms


def text_of(*collectors) -> list[str]:
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_counters_are_told_apart_by_their_labels_and_shown_from_the_start_where_known():
    counters = Counters("calls", "Calls.", ("method", "code"), known=[("Score", "OK")])
    counters["Track", "OK"].inc(2)
    counters["Track", "OK"].inc()

    assert text_of(counters) == [
        'calls_total{code="OK",method="Score"} 0.0',
        'calls_total{code="OK",method="Track"} 3.0',
    ]


def test_histograms_count_up_to_and_with_their_edges():
    histograms = Histograms("pause_seconds", "Pauses.", "kind", (0.1, 0.2))
    for seconds in (0.05, 0.1, 0.15, 9.0):
        histograms["a"].observe(seconds)
    histograms["a"].observe(0.2, times=3)

    assert text_of(histograms) == [
        'pause_seconds_bucket{kind="a",le="0.1"} 2.0',
        'pause_seconds_bucket{kind="a",le="0.2"} 6.0',
        'pause_seconds_bucket{kind="a",le="+Inf"} 7.0',
        'pause_seconds_count{kind="a"} 7.0',
        f'pause_seconds_sum{{kind="a"}} {0.05 + 0.1 + 0.15 + 9.0 + 0.2 * 3}',
    ]


def test_histograms_of_a_label_are_shown_from_the_start_where_known():
    histograms = Histograms("stage_seconds", "Stages.", "stage", (1.0,), known=["model"])
    histograms["store"].observe(0.5)

    assert text_of(histograms)[:2] == [
        'stage_seconds_bucket{le="1.0",stage="model"} 0.0',
        'stage_seconds_bucket{le="+Inf",stage="model"} 0.0',
    ]
    assert 'stage_seconds_count{stage="store"} 1.0' in text_of(histograms)
