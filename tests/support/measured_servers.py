"""Servers that benchmarks load in turn, whose calls take as long as a test says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchmarks.rig import in_turn
from benchmarks.rig.load import Calls, Latency, Outcome
from benchmarks.rig.serving import Server


class _Rig:
    now_unix_micros = 1_714_521_600_000_000

    def write_calls(self, scenario: str) -> Calls:
        return Calls(Path(scenario), ["/Method"])


def put_servers_in_place(monkeypatch: pytest.MonkeyPatch, program: ModuleType, micros: Mapping[str, float]) -> None:
    """Have a benchmark measure servers that take some microseconds of processor time for each call, by their names.

    Ten times as much is the 99th percentile of the latency; the others are one microsecond.
    """
    servers = {name: Server(name, number, number) for number, name in enumerate(micros)}
    used = dict.fromkeys(range(len(servers)), 0.0)

    @contextmanager
    def open_rig(_: int) -> Iterator[_Rig]:
        yield _Rig()

    def run_load(name: str, _calls: Calls, **_options: Any) -> Outcome:
        used[servers[name].pid] += 100 * micros[name] / 1e6
        p99 = 10.0 * micros[name]
        latency = Latency(calls=100, p50_us=1.0, p90_us=1.0, p99_us=p99, p999_us=p99, max_us=p99)
        return Outcome(seconds=1.0, statuses={0: latency}, missed=0)

    monkeypatch.setattr(program, "open_rig", open_rig)
    monkeypatch.setattr(program, "_start", lambda *_: servers)
    monkeypatch.setattr(in_turn, "run_load", run_load)
    monkeypatch.setattr(in_turn, "cpu_seconds", lambda pids: used[pids[0]])
