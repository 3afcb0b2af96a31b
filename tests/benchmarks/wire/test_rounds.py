from __future__ import annotations

import os
from itertools import product
from pathlib import Path

from benchmarks.wire import rounds
from benchmarks.wire.load import Latency, Outcome
from benchmarks.wire.rounds import measure


def test_every_server_gets_every_load_in_turn_in_each_round(monkeypatch):
    loads = []

    def run_load(address, paths, calls, *, in_flight, connections, seconds):
        loads.append((calls.name, in_flight, address, connections, seconds, paths))
        latency = Latency(calls=100, p50_us=1, p90_us=1, p99_us=1, p999_us=1, max_us=1)
        return Outcome(seconds=seconds, statuses={0: latency}, missed=0)

    monkeypatch.setattr(rounds, "run_load", run_load)
    told = []
    figures = measure(
        {"a": ("here:1", os.getpid()), "b": ("here:2", os.getpid())},
        {"score": (Path("score"), ["/Score"]), "track": (Path("track"), ["/Track"])},
        store_pid=os.getpid(),
        in_flight=[1, 16],
        rounds=2,
        seconds=0.5,
        connections=4,
        tell=told.append,
    )

    one_round = [
        (scenario, in_flight, address, min(in_flight, 4), 0.5, [f"/{scenario.title()}"])
        for scenario, in_flight, address in product(("score", "track"), (1, 16), ("here:1", "here:2"))
    ]
    assert loads == one_round * 2
    assert [(one.scenario, one.in_flight, one.server) for one in figures] == list(
        product(("score", "track"), (1, 16), ("a", "b"))
    )
    assert {one.per_second for one in figures} == {200.0}
    assert told[0] == "round 1: score, 1 in flight, a"
    assert told[-1] == "round 2: track, 16 in flight, b"
