from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.chaos.audit import Audit
from benchmarks.chaos.durability import Cost, WaitedFor
from benchmarks.chaos.report import make_page
from benchmarks.chaos.run import Outcome

FINE = Outcome(
    fault="store killed",
    transport="native",
    calls=1_200,
    ok=1_000,
    degraded=100,
    rejected=90,
    failed=10,
    p99_ms=250.4,
    normal_seconds=0.24,
    is_normal=True,
    sent_again=95,
    audit=Audit(acknowledged=600, lost=0, twice=0, differing=0, stale=0),
    answers={},
    counted=0,
    may_lose="",
    problems=(),
)
LOSES = replace(FINE, fault="disk full", audit=replace(FINE.audit, lost=12), counted=12, may_lose="it was not written")
COSTS = [Cost(setting="`always`", in_flight=16, per_second=1_234.5, p50_ms=1.234, p99_ms=9.87)]


def waits(seconds):
    return [WaitedFor(setting="everysec", seconds=seconds), WaitedFor(setting="always", seconds=1.0)]


def test_a_row_says_what_came_of_a_fault():
    page = make_page([FINE, replace(LOSES, transport="grpcio")], COSTS, waits(0.001), "native")
    assert "| store killed | 1,200 | 1,000 | 100 | 90 | 10 | 250 ms | 0.2 s | 0 | 0 | 0 |" in page
    assert "| disk full | 1,200 | 1,000 | 100 | 90 | 10 | 250 ms | 0.2 s | 12 (12) | 0 | 0 |" in page
    assert page.index("Transport `native`") < page.index("Transport `grpcio`")
    assert "- disk full: it was not written.\n" in page
    assert "| `always` | 16 | 1,234 | 1.23 ms | 9.9 ms |" in page


@pytest.mark.parametrize(
    ("change", "cells"),
    [
        ({"counted": None}, "| 250 ms | 0.2 s | 12 (-) |"),
        ({"is_normal": False}, "| 250 ms | never | 12 (12) |"),
        ({"p99_ms": None}, "| - | 0.2 s | 12 (12) |"),
    ],
)
def test_what_is_not_known_is_not_made_up(change, cells):
    assert cells in make_page([replace(LOSES, **change)], COSTS, waits(0.001), "native")


@pytest.mark.parametrize(
    ("seconds", "says"), [(0.0001, "does not wait for the sync"), (1.2, "waits for the next sync")]
)
def test_what_is_said_of_waitaof_is_what_was_measured(seconds, says):
    assert says in make_page([FINE], COSTS, waits(seconds), "native")


def test_what_was_not_made_or_measured_is_said():
    page = make_page([FINE, LOSES, replace(FINE, transport="grpcio")], [], waits(0.001), "native")
    assert "Not made with `grpcio` before the run was stopped: disk full." in page
    assert "Not measured in this run." in page
