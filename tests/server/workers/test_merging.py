"""The metrics of several workers as one server's."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from presage_server.telemetry.samples import Plain, read_metrics, text_of, to_metrics
from presage_server.workers.merging import MergedMetrics


def counted(*, calls: int, seconds: tuple[float, ...] = (), open_now: float = 0.0) -> Plain:
    disable_created_metrics()
    registry = CollectorRegistry()
    Counter("calls", "Calls.", ["code"], registry=registry).labels("OK").inc(calls)
    histogram = Histogram("seconds", "Time.", buckets=(0.5, 1.0), registry=registry)
    for value in seconds:
        histogram.observe(value)
    Gauge("open", "Open now.", registry=registry).set(open_now)
    return read_metrics(registry)


def test_counters_and_histograms_are_added_up_and_gauges_named_by_worker():
    workers = {0: counted(calls=2, seconds=(0.25,), open_now=3), 4: counted(calls=5, seconds=(0.25, 0.75), open_now=7)}
    assert MergedMetrics().text(workers).decode().splitlines() == [
        "# HELP calls_total Calls.",
        "# TYPE calls_total counter",
        'calls_total{code="OK"} 7.0',
        "# HELP seconds Time.",
        "# TYPE seconds histogram",
        'seconds_bucket{le="0.5"} 2.0',
        'seconds_bucket{le="1.0"} 3.0',
        'seconds_bucket{le="+Inf"} 3.0',
        "seconds_count 3.0",
        "seconds_sum 1.25",
        "# HELP open Open now.",
        "# TYPE open gauge",
        'open{worker="0"} 3.0',
        'open{worker="4"} 7.0',
    ]


def test_one_worker_alone_is_left_as_it_is_but_for_its_gauges():
    alone = counted(calls=2, seconds=(0.25,), open_now=3)
    text = text_of(to_metrics(alone)).decode()
    assert MergedMetrics().text({1: alone}).decode() == text.replace("open 3.0", 'open{worker="1"} 3.0')


def test_what_an_ended_worker_had_counted_stays_in_the_sums_and_its_gauges_do_not():
    merged = MergedMetrics()
    for calls in (2, 3):
        merged.retire(counted(calls=calls, seconds=(0.75,), open_now=9))
    lines = merged.text({0: counted(calls=10)}).decode().splitlines()
    assert 'calls_total{code="OK"} 15.0' in lines
    assert 'seconds_bucket{le="1.0"} 2.0' in lines
    assert [line for line in lines if line.startswith("open")] == ['open{worker="0"} 0.0']


def test_a_worker_that_was_never_asked_adds_nothing():
    merged = MergedMetrics()
    merged.retire([])
    assert merged.text({0: []}) == b""
