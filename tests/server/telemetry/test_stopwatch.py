from __future__ import annotations

import pytest

from presage_server.telemetry import stopwatch as module
from presage_server.telemetry.stopwatch import Stopwatch


def test_laps_add_up_to_the_total(monkeypatch):
    moments = iter([10.0, 10.5, 12.5, 13.0])
    monkeypatch.setattr(module, "perf_counter", lambda: next(moments))
    stopwatch = Stopwatch()
    for name in ("store", "model", "store"):
        stopwatch.lap(name)
    assert stopwatch.micros("store") == pytest.approx(1_000_000)
    assert stopwatch.micros("model") == pytest.approx(2_000_000)
    assert stopwatch.micros("never taken") == 0
    assert stopwatch.total_micros() == pytest.approx(3_000_000)
