from __future__ import annotations

from math import inf

from benchmarks.overload.rate import seconds_until_normal
from benchmarks.rig.load import Latency, Outcome


def window(p99_us: float, *, rejected: int = 0) -> Outcome:
    def latency(calls: int) -> Latency:
        return Latency(calls=calls, p50_us=1.0, p90_us=1.0, p99_us=p99_us, p999_us=p99_us, max_us=p99_us)

    statuses = {0: latency(100)} | ({8: latency(rejected)} if rejected else {})
    return Outcome(seconds=0.25, statuses=statuses, missed=0)


def test_normal_is_when_all_calls_are_answered_in_twice_the_time_at_most():
    late, rejected, normal = window(2_001.0), window(900.0, rejected=1), window(1_999.0)
    assert seconds_until_normal([normal, late], 1_000.0) == 0.0
    assert seconds_until_normal([late, rejected, normal], 1_000.0) == 0.5
    assert seconds_until_normal([late, rejected], 1_000.0) == inf
    assert seconds_until_normal([Outcome(seconds=0.25, statuses={}, missed=0)], 1_000.0) == inf
