from __future__ import annotations

from dataclasses import replace
from io import StringIO

from rich.console import Console

from benchmarks.limit.ratios import ratios_table
from benchmarks.rig.figures import Figure

LIMIT = Figure(
    server="C++ Score",
    scenario="score",
    in_flight=1,
    per_second=9_000.0,
    p50_us=100.0,
    p99_us=200.0,
    p999_us=400.0,
    server_cpu_us=0.0,
    store_cpu_us=1.0,
    generator_cpu_us=1.0,
    errors=0,
    spread=0.0,
)


def rows(figures):
    console = Console(width=100, file=StringIO())
    with console.capture() as captured:
        console.print(ratios_table(figures, "C++ Score"))
    lines = captured.get().splitlines()
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]


def test_each_is_compared_with_the_limit_at_the_same_number_in_flight():
    busy = replace(LIMIT, in_flight=16, per_second=60_000.0)
    native = replace(LIMIT, server="native", per_second=4_500.0, p50_us=250.0, p99_us=100.0)
    busy_native = replace(native, in_flight=16, per_second=30_000.0)

    assert rows([LIMIT, native, busy, busy_native]) == [
        ["1", "native", "0.50", "2.50", "0.50", "1.00", "-"],
        ["16", "native", "0.50", "2.50", "0.50", "1.00", "-"],
    ]
