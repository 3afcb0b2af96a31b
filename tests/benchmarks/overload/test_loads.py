from __future__ import annotations

from io import StringIO

from rich.console import Console

from benchmarks.overload import loads
from benchmarks.overload.loads import Load, bursts, closed_loop, loads_table
from benchmarks.rig.load import Calls, Latency, Outcome

CALLS = Calls("calls", ["/Score"])


def latency(calls):
    return Latency(calls=calls, p50_us=1_000.0, p90_us=2_000.0, p99_us=3_000.0, p999_us=4_000.0, max_us=5_000.0)


def test_rejected_and_late_calls_are_counted_apart_from_failures(monkeypatch):
    outcome = Outcome(seconds=2.0, statuses={0: latency(100), 4: latency(3), 8: latency(5), 14: latency(2)}, missed=1)
    made = []

    def run_load(address, calls, **options):
        made.append(options)
        return outcome

    monkeypatch.setattr(loads, "run_load", run_load)
    loop, burst = closed_loop("here:1", CALLS, 400, 1.5), bursts("here:1", CALLS, 1_000, 20)

    assert (loop.answered, loop.per_second, loop.rejected, loop.late, loop.failed) == (100, 50.0, 5, 3, 3)
    assert (made[0]["in_flight"], made[0]["seconds"]) == (400, 1.5)
    assert (made[1]["burst"], made[1]["connections"]) == (1_000, 20)
    assert (burst.part, burst.calls, burst.connections) == ("bursts", 1_000, 20)


def test_a_table_has_medians_and_sums():
    def load(per_second, rejected):
        return Load(
            part="loops",
            calls=64,
            connections=8,
            answered=100,
            per_second=per_second,
            p50_us=1_000.0,
            p99_us=2_000.0,
            max_us=3_000.0,
            rejected=rejected,
            late=0,
            failed=1,
        )

    console = Console(width=140, file=StringIO())
    with console.capture() as captured:
        console.print(loads_table([load(1_000.0, 0), load(5_000.0, 7), load(2_000.0, 1)]))
    (row,) = (line for line in captured.get().splitlines() if line.startswith("│"))

    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        *("loops", "64", "8", "2,000", "1.0", "2.0", "3.0"),
        *("8", "0", "3", "311"),
    ]
