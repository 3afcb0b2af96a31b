from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.ranking import __main__ as command
from benchmarks.ranking.__main__ import aims, main
from benchmarks.rig.command import FAILED, MISSING, MissingRequirementError
from benchmarks.rig.figures import Figure, LoadShape, RoundFigures
from benchmarks.rig.load import Calls
from benchmarks.rig.serving import Server

CPP, PRESAGE = Server("cpp:1", 1, 1), Server("presage:1", 2, 2)


class Rig:
    now_unix_micros = 1_790_000_000_000_000

    def start_store(self, **_):
        return "unix:///store"

    def start_program(self, *_):
        return CPP

    def write_calls(self, scenario):
        return Calls(Path(scenario), ["/Score"])


class World:
    states = ()


def round_figures(p50_us, per_second=100.0, errors=0):
    return RoundFigures(
        per_second=per_second,
        p50_us=p50_us,
        p99_us=2 * p50_us,
        p999_us=3 * p50_us,
        server_cpu_us=1.0,
        store_cpu_us=1.0,
        generator_cpu_us=1.0,
        errors=errors,
    )


@pytest.fixture
def loads(monkeypatch):
    """Puts figures in the place of loads: C++ takes 100 µs, Presage 300 for a Score and 500 for a ranking."""
    made = []

    @contextmanager
    def open_rig(_):
        yield Rig()

    def measure_once(server, calls, shape, _seconds):
        made.append((server.address, calls.file.name, shape.in_flight))
        return round_figures(100.0 if server is CPP else 300.0 if calls.file.name == "score" else 500.0)

    monkeypatch.setattr(command, "build_servers", lambda: type("Servers", (), {"service": Path("service")}))
    monkeypatch.setattr(command, "open_rig", open_rig)
    monkeypatch.setattr(command, "make_world", lambda *_, **__: World())
    monkeypatch.setattr(command, "start_ranking", lambda *_: PRESAGE)
    monkeypatch.setattr(command, "rank_calls", lambda *_, **__: [])
    monkeypatch.setattr(command, "check_ranking", lambda *_: 3)
    monkeypatch.setattr(command, "write_rank_calls", lambda _rig, _world, name, _visitors: Calls(Path(name), ["/Rank"]))
    monkeypatch.setattr(command, "measure_once", measure_once)
    return made


def test_rankings_and_both_scores_are_loaded_in_each_round(loads, tmp_path, capsys):
    flags = ["--rounds", "2", "--in-flight", "1", "16", "--scenario", "rank_100"]
    assert main([*flags, "--to", str(tmp_path / "figures.json")]) == 0

    cases = [("cpp:1", "score"), ("presage:1", "score"), ("presage:1", "rank_100")]
    assert loads[:6] == [(*case, number) for number in (1, 16) for case in cases]
    assert loads[6:] == [(*case, number) for number in (1, 16) for case in cases[::-1]]
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [(one["scenario"], one["server"], one["in_flight"]) for one in figures] == [
        (scenario, server, number)
        for scenario, server in (("score", "C++"), ("score", "Presage"), ("rank_100", "Presage"))
        for number in (1, 16)
    ]
    assert "rank_100: 3 rankings looked at" in capsys.readouterr().out


def test_a_ranking_that_fails_with_nothing_else_in_flight_is_a_failure(loads, monkeypatch):
    monkeypatch.setattr(command, "measure_once", lambda *_: round_figures(1.0, errors=1))

    assert main(["--rounds", "1", "--in-flight", "1"]) == FAILED


def test_nothing_is_measured_without_the_packages_of_the_servers_in_cpp(monkeypatch, capsys):
    def missing():
        raise MissingRequirementError("expected libgrpc++-dev")

    monkeypatch.setattr(command, "build_servers", missing)

    assert main([]) == MISSING
    assert capsys.readouterr().out == "bench-rank: expected libgrpc++-dev\n"


def test_aims_are_compared_with_figures_of_the_same_run():
    def figure(server, scenario, in_flight, *rounds):
        return Figure.of(server, scenario, LoadShape(in_flight=in_flight), rounds)

    found = aims(
        [
            figure("C++", "score", 1, round_figures(100.0), round_figures(200.0)),
            figure("Presage", "rank_100", 1, round_figures(700.0), round_figures(900.0)),
            figure("Presage", "rank_100", 16, round_figures(900.0, 2_400.0)),
            figure("Presage", "rank_100", 64, round_figures(900.0, 2_600.0)),
        ]
    )

    assert [(aim.found, aim.is_reached) for aim in found] == [
        (0.8, True),
        (1.6, True),
        (5.75, True),  # of 7 and 4.5
        (2_600.0, True),
    ]
    assert not found[1].__class__(what="", found=2.1, wanted=2.0).is_reached
    assert aims([]) == []
