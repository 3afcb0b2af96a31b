from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from benchmarks.rig.figures import Figure, LoadShape, RoundFigures, figures_table, ratios, ratios_table
from benchmarks.rig.load import Latency, Outcome

ROUND = RoundFigures(
    per_second=9_000.0,
    p50_us=100.0,
    p99_us=200.0,
    p999_us=400.0,
    server_cpu_us=0.0,
    store_cpu_us=1.0,
    generator_cpu_us=1.0,
    errors=0,
)
ONE, BUSY = LoadShape(in_flight=1), LoadShape(in_flight=16)


def figure(server, *rates, shape=ONE, **changes):
    return Figure.of(server, "score", shape, [replace(ROUND, per_second=rate, **changes) for rate in rates])


def rows(table):
    console = Console(width=140, file=StringIO())
    with console.capture() as captured:
        console.print(table)
    lines = captured.get().splitlines()
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]


def test_a_figure_is_the_medians_of_the_rounds_and_all_their_errors():
    rounds = [
        replace(ROUND, per_second=per_second, p50_us=p50_us, errors=errors, server_cpu_us=cpu_us)
        for per_second, p50_us, errors, cpu_us in (
            (1_000.0, 50.0, 1, 10.0),
            (500.0, 90.0, 6, 30.0),
            (2_000.0, 40.0, 1, 20.0),
        )
    ]
    found = Figure.of("native", "score", LoadShape(in_flight=4), rounds)

    assert (found.per_second, found.p50_us, found.server_cpu_us) == (1_000.0, 50.0, 20.0)
    assert found.errors == 8
    assert found.spread == pytest.approx(1.5)
    assert found.rounds == tuple(rounds)


def test_a_round_has_the_figures_of_a_load():
    latency = Latency(calls=200, p50_us=1.0, p90_us=2.0, p99_us=3.0, p999_us=4.0, max_us=5.0)
    outcome = Outcome(seconds=2.0, statuses={0: latency, 14: replace(latency, calls=3)}, missed=1)
    found = RoundFigures.of(outcome, server_cpu_us=7.0)

    assert (found.per_second, found.p50_us, found.p99_us, found.p999_us) == (100.0, 1.0, 3.0, 4.0)
    assert (found.errors, found.server_cpu_us, found.store_cpu_us) == (4, 7.0, 0.0)


def test_a_load_is_described_and_made_by_what_is_given():
    assert (str(BUSY), str(LoadShape(rate=2_000.0))) == ("16", "2,000/s")
    assert BUSY.options == {"in_flight": 16, "connections": 1}
    assert LoadShape(rate=2_000.0, connections=4).options == {"rate": 2_000.0, "connections": 4}


def test_ratios_are_of_each_round():
    assert ratios(figure("a", 10.0, 30.0), figure("b", 20.0, 15.0), "per_second") == [0.5, 2.0]
    assert ratios(figure("a", 10.0), figure("b", 20.0), "server_cpu_us") == []


def test_each_server_is_compared_with_the_reference_under_the_same_load():
    table = ratios_table(
        [
            figure("C++", 9_000.0, 10_000.0, 9_000.0),
            figure("native", 4_500.0, 6_000.0, 3_600.0, p50_us=250.0, p99_us=100.0),
            figure("C++", 60_000.0, shape=BUSY),
            figure("native", 30_000.0, shape=BUSY),
        ],
        "C++",
    )

    assert rows(table) == [
        ["score", "1", "native", "0.50 (0.40..0.60)", "2.50", "0.50", "1.00", "-"],
        ["score", "16", "native", "0.50 (0.50..0.50)", "1.00", "1.00", "1.00", "-"],
    ]
    assert ratios_table([figure("native", 1.0)], "C++") is None


def test_figures_are_laid_out_one_in_each_line():
    (row,) = rows(figures_table([figure("native", 4_500.0, server_cpu_us=20.0)]))

    assert row == ["score", "1", "native", "4,500", "100", "200", "400", "20 + 1 + 1", "0", "0%"]
