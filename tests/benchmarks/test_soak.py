from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace

import pytest

from benchmarks import soak
from benchmarks.soak import Sample, main, slope_per_hour

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
LATENCY = {"calls": 50, "p50_us": 1.0, "p90_us": 2.0, "p99_us": 3.0, "p999_us": 4.0, "max_us": 5.0}


def growing(bytes_a_minute, minutes=60):
    return [
        replace(SAMPLE, minutes=float(minute), resident_bytes=100_000_000 + minute * bytes_a_minute)
        for minute in range(minutes + 1)
    ]


@pytest.fixture
def soaked(monkeypatch):
    """Puts samples in place of the load."""

    def stand_in(samples):
        monkeypatch.setattr(soak, "build_load", lambda: None)
        monkeypatch.setattr(soak, "_soak", lambda *_: (samples, 1_000.0))

    return stand_in


def test_memory_that_grows_evenly_has_its_growth_as_slope():
    assert slope_per_hour(growing(1_000)) == pytest.approx(60_000)
    assert slope_per_hour(growing(-500)) == pytest.approx(-30_000)
    assert slope_per_hour(growing(0)) == pytest.approx(0, abs=1)


def test_a_single_sample_has_no_slope():
    assert slope_per_hour([SAMPLE]) == 0.0
    assert slope_per_hour([]) == 0.0


def test_every_line_of_the_generator_becomes_a_sample_of_the_server(tmp_path):
    lines = [
        {"seconds": 10.0, "missed": missed, "statuses": {"0": LATENCY, "14": LATENCY | {"calls": 2}}}
        for missed in (0, 1)
    ]
    script = f"for line in {[json.dumps(line) for line in lines]!r}: print(line)"
    told = []
    with ExitStack() as stack:
        for number in range(300):
            stack.enter_context((tmp_path / str(number)).open("w"))
        process = stack.enter_context(
            subprocess.Popen((sys.executable, "-c", script), stdout=subprocess.PIPE, text=True)
        )
        first, second = soak._samples(process, os.getpid(), 0.0, told.append)

    assert (first.per_second, first.p999_us, first.errors, second.errors) == (5.0, 4.0, 2, 3)
    assert first.minutes <= second.minutes
    assert first.resident_bytes > 10_000_000
    assert first.descriptors > 300 > first.threads
    assert first.threads >= 1
    assert len(told) == 2


def test_a_summary_leaves_the_warm_up_out_and_files_do_not(soaked, tmp_path, capsys):
    samples = growing(1_000)
    samples[0] = replace(samples[0], p999_us=99_999.0)
    soaked(samples)

    assert main(["--to", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "p999_us: median of the intervals 300, worst 300\n" in printed
    assert "+0.06 MB/h" in printed
    assert len(json.loads((tmp_path / "soak.json").read_text())) == len(samples)
    assert (tmp_path / "soak.svg").read_text().startswith("<svg ")


def test_errors_are_a_failure(soaked, capsys):
    soaked([*growing(0)[:-1], replace(SAMPLE, minutes=60.0, errors=1)])

    assert main([]) == 1
    assert "errors: 1" in capsys.readouterr().out


def test_a_machine_without_what_the_generator_needs_is_told(monkeypatch, capsys):
    def build():
        raise RuntimeError("no compiler")

    monkeypatch.setattr(soak, "build_load", build)

    assert main([]) == 0
    assert "soak: no compiler" in capsys.readouterr().out


def test_a_soak_that_ends_before_its_first_sample_says_so(soaked, capsys):
    soaked([])

    assert main([]) == 2
    assert "before there was anything" in capsys.readouterr().out
