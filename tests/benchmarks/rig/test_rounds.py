from __future__ import annotations

import os
from itertools import product
from pathlib import Path

from benchmarks.rig import rounds
from benchmarks.rig.load import Latency, Outcome
from benchmarks.rig.rounds import measure


def test_every_server_gets_every_load_in_turn_in_each_round(monkeypatch):
    loads = []

    def run_load(address, paths, calls, *, connections, seconds, in_flight=0, rate=0.0):
        loads.append((calls.name, in_flight or rate, address, connections, seconds, paths))
        latency = Latency(calls=100, p50_us=1, p90_us=1, p99_us=1, p999_us=1, max_us=1)
        return Outcome(seconds=seconds, statuses={0: latency}, missed=0)

    monkeypatch.setattr(rounds, "run_load", run_load)
    told = []
    figures = measure(
        {"a": ("here:1", os.getpid()), "b": ("here:2", os.getpid())},
        {"score": (Path("score"), ["/Score"]), "track": (Path("track"), ["/Track"])},
        store_pid=os.getpid(),
        in_flight=[1, 16],
        rates=[50.5],
        rounds=2,
        seconds=0.5,
        connections=4,
        tell=told.append,
    )

    one_round = [
        (scenario, load, address, 1 if load == 1 else 4, 0.5, [f"/{scenario.title()}"])
        for scenario, load, address in product(("score", "track"), (1, 16, 50.5), ("here:1", "here:2"))
    ]
    assert loads == one_round * 2
    assert [(one.scenario, one.in_flight or one.rate, one.server) for one in figures] == list(
        product(("score", "track"), (1, 16, 50.5), ("a", "b"))
    )
    assert {one.per_second for one in figures} == {200.0}
    assert told[0] == "round 1: score, 1 in flight, a"
    assert told[-1] == "round 2: track, 50.5/s, b"
