from __future__ import annotations

import os
import time
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from benchmarks.soak.samples import MachineWatch, Sample, StoreWatch, print_summary, slope_per_hour

SAMPLE = Sample(
    minutes=0.0,
    per_second=1_000.0,
    p50_us=100.0,
    p99_us=200.0,
    p999_us=300.0,
    errors=0,
    resident_bytes=100_000_000,
    descriptors=20,
    threads=5,
)


def growing(bytes_a_minute, minutes=60):
    return [
        replace(SAMPLE, minutes=float(minute), resident_bytes=100_000_000 + minute * bytes_a_minute)
        for minute in range(minutes + 1)
    ]


def printed(samples):
    console = Console(width=160, file=StringIO())
    with console.capture() as captured:
        print_summary(samples, console)
    return captured.get()


def test_memory_that_grows_evenly_has_its_growth_as_slope():
    assert slope_per_hour(growing(1_000)) == pytest.approx(60_000)
    assert slope_per_hour(growing(-500)) == pytest.approx(-30_000)
    assert slope_per_hour(growing(0)) == pytest.approx(0, abs=1)


def test_a_single_sample_has_no_slope():
    assert slope_per_hour([SAMPLE]) == 0.0
    assert slope_per_hour([]) == 0.0


def test_a_summary_leaves_out_the_warm_up():
    samples = growing(1_000)
    samples[0] = replace(samples[0], p999_us=99_999.0)
    text = printed(samples)

    assert "p999_us: median of the intervals 300, worst 300\n" in text
    assert "+0.06 MB/h" in text


def test_slow_intervals_are_counted_by_what_happened_in_them():
    samples = growing(0)
    samples[20] = replace(samples[20], p999_us=8_000.0, is_rewriting=True, fork_us=4_000, store_slow_ms={"fork": 4})
    samples[30] = replace(samples[30], p999_us=9_000.0)
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in printed(samples).splitlines()]

    assert ["all", "55", "2", "0.3"] in rows
    assert ["with a rewrite", "1", "1", "8.0"] in rows
    assert ["with a delayed fsync", "0", "0", "-"] in rows
    assert ["with none of these", "54", "1", "0.3"] in rows
    assert ["20.00", "8.0", "0.0", "0%", "0%", "yes", "4.0", "", "fork 4"] in rows


def test_the_store_is_read_for_what_it_did_since_the_last_time(store):
    watch = StoreWatch(store.redis)
    first = watch.read()

    assert first["fork_us"] == first["delayed_fsyncs"] == 0
    assert not first["is_rewriting"]
    assert first["store_bytes"] > 0


def test_a_busy_machine_is_busy_with_this_process_or_others():
    alone, others = MachineWatch([os.getpid()]), MachineWatch([])
    until = time.perf_counter() + 0.3
    while time.perf_counter() < until:
        pass
    own, all_others = alone.read(), others.read()

    assert 0.0 < own["busy_share"] <= 1.0
    assert own["others_share"] < all_others["others_share"] <= all_others["busy_share"]
