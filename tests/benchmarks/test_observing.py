"""What being observed costs, and that it was observed."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest

from benchmarks import observing as program
from benchmarks.observing import main
from support.measured_servers import put_servers_in_place

SCRAPE = """# HELP grpc_server_handled_total Calls ended, by method and status.
grpc_server_handled_total{grpc_code="OK",grpc_method="Score"} 10000.0
presage_traced_calls_total{outcome="dropped"} 5.0
presage_traced_calls_total{outcome="queued"} %s
"""


@pytest.fixture
def measured(monkeypatch):
    """Servers that take a given number of microseconds for each call, and what is scraped of them."""
    micros, scrapes = {"alone": 40.0, "observed": 41.0}, [SCRAPE % "101.0"]
    put_servers_in_place(monkeypatch, program, micros)

    @contextmanager
    def given(value):
        yield value

    monkeypatch.setattr(program, "serving_process", lambda _: given(("127.0.0.1:4317", 1)))
    monkeypatch.setattr(program, "_scraped", lambda _: given(scrapes))
    return micros, scrapes


def test_ratios_are_to_the_server_alone(measured, tmp_path, capsys):
    assert main(["--rounds", "3", "--to", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    ratios = {(one["in_flight"], one["figure"], round(one["ratio"], 6)) for one in figures}
    assert {one[2] for one in ratios if one[1] == "p50"} == {1.0}
    assert ratios >= {(1, "p99", 1.025), (16, "p99", 1.025), (16, "cpu", 1.025)}
    assert "1 scrapes, 10,000 calls, of which 101 were traced" in capsys.readouterr().out


def test_more_than_three_percent_is_a_failure(measured, capsys):
    micros, _ = measured
    micros["observed"] = 42.0
    assert main(["--rounds", "2", "--in-flight", "16"]) == 1
    assert "native, 16 in flight, p99: expected at most 1.03, got 1.050" in capsys.readouterr().out


def test_a_run_in_which_nothing_was_traced_shows_nothing(measured, capsys):
    _, scrapes = measured
    scrapes[:] = [SCRAPE % "0.0"]
    assert main(["--rounds", "2"]) == 1
    assert "expected 1% of 10,000 calls to be traced, got 0" in capsys.readouterr().out
