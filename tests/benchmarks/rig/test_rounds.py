from __future__ import annotations

import os
from itertools import product
from pathlib import Path

from benchmarks.rig import rounds
from benchmarks.rig.figures import LoadShape
from benchmarks.rig.load import Calls, Latency, Outcome
from benchmarks.rig.rounds import measure
from benchmarks.rig.serving import Server

CALLS = Calls(Path("score"), ["/Score"])


def test_every_server_gets_every_load_in_each_round_and_the_order_changes(monkeypatch):
    loads = []

    def run_load(address, calls, *, seconds, **options):
        loads.append((options, address))
        assert (calls, seconds) == (CALLS, 0.5)
        latency = Latency(calls=100, p50_us=1, p90_us=1, p99_us=1, p999_us=1, max_us=1)
        return Outcome(seconds=seconds, statuses={0: latency}, missed=0)

    monkeypatch.setattr(rounds, "run_load", run_load)
    shapes = [LoadShape(in_flight=1), LoadShape(in_flight=16, connections=4), LoadShape(rate=50.5, connections=4)]
    progress = []
    figures = measure(
        {name: Server(f"{name}:1", os.getpid(), os.getpid()) for name in "ab"},
        "score",
        CALLS,
        shapes,
        rounds=2,
        seconds=0.5,
        on_progress=progress.append,
    )

    options = [
        {"in_flight": 1, "connections": 1},
        {"in_flight": 16, "connections": 4},
        {"rate": 50.5, "connections": 4},
    ]
    assert loads == [*product(options, ("a:1", "b:1")), *product(options, ("b:1", "a:1"))]
    assert [(one.in_flight or one.rate, one.server) for one in figures] == list(product((1, 16, 50.5), "ab"))
    assert {(one.scenario, one.per_second, len(one.rounds)) for one in figures} == {("score", 200.0, 2)}
    assert progress[0] == "round 1 of 2: score, 1 in flight, a"
    assert len(progress) == 12
