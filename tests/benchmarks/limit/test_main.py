from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.limit import __main__ as limit
from benchmarks.limit.build import Servers
from benchmarks.limit.command import service_command
from benchmarks.rig.checkouts import CheckoutError
from benchmarks.rig.command import FAILED, MISSING, USAGE, MissingRequirementError
from benchmarks.rig.figures import Figure, RoundFigures
from benchmarks.rig.serving import Server

RATES = {"C++ echo": 90_000.0, "C++": 9_000.0, "native": 4_500.0, "v1, native": 1_500.0}


class Rig:
    """In the place of a rig: starts nothing."""

    def write_calls(self, scenario):
        return scenario


@pytest.fixture(autouse=True)
def built(monkeypatch):
    """Puts figures in place of the loads; returns which servers got which scenario."""
    measured = {}

    @contextmanager
    def open_rig(_visitors):
        yield Rig()

    def measure(servers, scenario, _calls, shapes, **_):
        measured[scenario] = (list(servers), [shape.in_flight for shape in shapes])
        return [figure(name, scenario, shape) for shape in shapes for name in servers]

    def figure(name, scenario, shape):
        one = RoundFigures(
            per_second=RATES[name],
            p50_us=100.0,
            p99_us=200.0,
            p999_us=300.0,
            server_cpu_us=20.0,
            store_cpu_us=1.0,
            generator_cpu_us=1.0,
            errors=0,
        )
        return Figure.of(name, scenario, shape, [one])

    monkeypatch.setattr(limit, "build_servers", lambda: Servers(echo=Path("echo"), service=Path("service")))
    monkeypatch.setattr(limit, "open_rig", open_rig)
    monkeypatch.setattr(limit, "_start", lambda *_: {name: Server(name, 1, 1) for name in RATES})
    monkeypatch.setattr(limit, "measure", measure)
    return measured


@pytest.mark.parametrize(
    ("step", "error", "code"),
    [
        ("build_servers", MissingRequirementError("no libhiredis-dev"), MISSING),
        ("build_servers", RuntimeError("g++ failed"), FAILED),
        ("_start", RuntimeError("score 1, Presage has 2"), FAILED),
        ("_start", CheckoutError("no such revision"), USAGE),
    ],
)
def test_each_failure_has_its_exit_code(monkeypatch, capsys, step, error, code):
    def fail(*_):
        raise error

    monkeypatch.setattr(limit, step, fail)

    assert limit.main([]) == code
    assert capsys.readouterr().out == f"bench-limit: {error}\n"


def test_each_server_gets_the_scenarios_that_it_serves(built):
    assert limit.main(["--base", "v1"]) == 0
    assert built == {
        "score": (list(RATES), [1, 16, 64]),
        "track": (["C++", "native", "v1, native"], [4, 64]),
        "score_batch_100": (["native", "v1, native"], [1, 4]),
    }


def test_figures_go_to_a_file_and_ratios_to_both_references_are_shown(tmp_path, capsys):
    file = tmp_path / "figures.json"
    assert limit.main(["--scenario", "track", "--in-flight", "4", "--base", "v1", "--to", str(file)]) == 0
    printed = capsys.readouterr().out

    assert [(one["server"], one["per_second"]) for one in json.loads(file.read_text())] == list(RATES.items())[1:]
    assert "multiples of C++" in printed
    assert "0.50 (0.50..0.50)" in printed
    assert "multiples of v1, native" in printed
    assert "3.00 (3.00..3.00)" in printed


def test_the_shipped_model_has_its_original_beside_it():
    words = service_command(Path("service"), "unix:///store.sock")

    assert Path(words[words.index("--model") + 1]).exists()
