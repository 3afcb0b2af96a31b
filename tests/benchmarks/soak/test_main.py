from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager

import pytest

from benchmarks.rig.command import FAILED, MISSING, MissingRequirementError
from benchmarks.soak import __main__ as soak
from benchmarks.soak.__main__ import main
from benchmarks.soak.samples import Sample

LATENCY = {"calls": 50, "p50_us": 1.0, "p90_us": 2.0, "p99_us": 3.0, "p999_us": 4.0, "max_us": 5.0}


def sample(minutes, *, errors=0):
    return Sample(
        minutes=minutes,
        per_second=1_000.0,
        p50_us=100.0,
        p99_us=200.0,
        p999_us=300.0,
        errors=errors,
        resident_bytes=100_000_000,
        descriptors=20,
        threads=5,
    )


@pytest.fixture
def soaked(monkeypatch):
    """Puts samples in place of the load; returns the options that it got."""
    options = []

    @contextmanager
    def open_rig(_visitors):
        yield None

    def stand_in(samples):
        monkeypatch.setattr(soak, "open_rig", open_rig)
        monkeypatch.setattr(soak, "_soak", lambda given, *_: options.append(given) or (samples, None, 1_000.0))
        return options

    return stand_in


def test_every_line_of_the_generator_becomes_a_sample_of_the_server(tmp_path):
    lines = [
        {"seconds": 10.0, "missed": missed, "is_whole": whole, "statuses": {"0": LATENCY, "14": LATENCY | {"calls": 2}}}
        for missed, whole in ((0, False), (1, False), (1, True))
    ]
    script = f"for line in {[json.dumps(line) for line in lines]!r}: print(line)"
    progress = []
    with ExitStack() as stack:
        for number in range(300):
            stack.enter_context((tmp_path / str(number)).open("w"))
        process = stack.enter_context(
            subprocess.Popen((sys.executable, "-c", script), stdout=subprocess.PIPE, text=True)
        )
        others = {"is_rewriting": True}
        read = list(soak._samples(process, os.getpid(), lambda: others, progress.append))
    first, second, _ = (one for _, one in read)

    assert [outcome.is_whole for outcome, _ in read] == [False, False, True]
    assert (first.per_second, first.p999_us, first.errors, second.errors) == (5.0, 4.0, 2, 3)
    assert first.is_rewriting
    assert first.minutes <= second.minutes
    assert first.resident_bytes > 10_000_000
    assert first.descriptors > 300 > first.threads >= 1
    assert len(progress) == 3


def test_samples_go_to_a_file_and_a_plot(soaked, tmp_path, capsys):
    soaked([sample(number / 60) for number in range(61)])

    assert main(["--to", str(tmp_path)]) == 0
    assert len(json.loads((tmp_path / "soak.json").read_text())) == 61
    assert (tmp_path / "soak.svg").read_text().startswith("<svg ")
    assert "p999_us: median of the intervals 300, worst 300\n" in capsys.readouterr().out


def test_errors_are_a_failure(soaked, capsys):
    soaked([sample(0.0), sample(1.0, errors=1)])

    assert main([]) == FAILED
    assert "errors: 1" in capsys.readouterr().out


def test_options_of_the_store_have_a_name_and_a_value(soaked, capsys):
    options = soaked([sample(0.0), sample(1.0)])

    assert main(["--store-option", "appendfsync=no", "--store-option", "save="]) == 0
    assert options[0].store_option == [("appendfsync", "no"), ("save", "")]
    assert "{'appendfsync': 'no', 'save': ''}" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--store-option", "appendfsync"])


def test_a_machine_that_cannot_build_the_generator_has_its_own_exit_code(monkeypatch, capsys):
    def open_rig(_):
        raise MissingRequirementError("no compiler")

    monkeypatch.setattr(soak, "open_rig", open_rig)

    assert main([]) == MISSING
    assert capsys.readouterr().out == "soak: no compiler\n"


def test_a_soak_that_ends_before_its_first_sample_is_a_failure(soaked, capsys):
    soaked([])

    assert main([]) == FAILED
    assert capsys.readouterr().out == "soak: ended before the first interval\n"
