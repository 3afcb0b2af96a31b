from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.limit import __main__ as limit
from benchmarks.limit.build import MissingPackagesError, Servers
from benchmarks.rig.figures import Figure


def figure(server, per_second):
    return Figure(
        server=server,
        scenario="score",
        in_flight=1,
        per_second=per_second,
        p50_us=100.0,
        p99_us=200.0,
        p999_us=300.0,
        server_cpu_us=20.0,
        store_cpu_us=1.0,
        generator_cpu_us=1.0,
        errors=0,
        spread=0.0,
    )


FIGURES = [figure("C++ Score", 9_000.0), figure("native", 4_500.0)]


@pytest.fixture(autouse=True)
def built(monkeypatch):
    monkeypatch.setattr(limit, "build_load", lambda: Path("load"))
    monkeypatch.setattr(limit, "build_servers", lambda: Servers(echo=Path("echo"), score=Path("score")))
    monkeypatch.setattr(limit, "_figures", lambda *_: FIGURES)


def raising(error):
    def raise_it(*_):
        raise error

    return raise_it


@pytest.mark.parametrize(
    ("step", "error", "code"),
    [
        ("build_load", RuntimeError("no libnghttp2"), 0),
        ("build_servers", MissingPackagesError("no libhiredis-dev"), 0),
        ("build_servers", RuntimeError("g++ failed"), 1),
        ("_figures", RuntimeError("score 1, Presage has 2"), 1),
    ],
)
def test_only_what_is_missing_is_no_failure(monkeypatch, capsys, step, error, code):
    monkeypatch.setattr(limit, step, raising(error))

    assert limit.main([]) == code
    assert capsys.readouterr().out == f"bench-limit: {error}\n"


def test_figures_go_to_a_file_and_the_ratio_to_the_limit_is_shown(tmp_path, capsys):
    assert limit.main(["--to", str(tmp_path / "figures.json")]) == 0

    assert json.loads((tmp_path / "figures.json").read_text()) == [asdict(one) for one in FIGURES]
    assert "0.50" in capsys.readouterr().out
