from __future__ import annotations

import pytest

from benchmarks.rig.figures import Cpu, Figure
from benchmarks.rig.load import Latency, Outcome


def outcome(calls, p50_us, *, failed=0):
    def latency(calls):
        return Latency(calls=calls, p50_us=p50_us, p90_us=0, p99_us=2 * p50_us, p999_us=3 * p50_us, max_us=0)

    return Outcome(seconds=2.0, statuses={0: latency(calls), 14: latency(failed)}, missed=1)


def test_a_figure_is_the_medians_of_the_rounds_and_all_their_errors():
    rounds = [
        (outcome(calls, p50_us, failed=failed), Cpu(server_us=cpu_us, store_us=cpu_us / 2, generator_us=cpu_us / 5))
        for calls, p50_us, failed, cpu_us in ((2_000, 50.0, 0, 10.0), (1_000, 90.0, 5, 30.0), (4_000, 40.0, 0, 20.0))
    ]
    figure = Figure.of("native", "score", 4, rounds)

    assert (figure.per_second, figure.p50_us, figure.p99_us, figure.p999_us) == (1_000.0, 50.0, 100.0, 150.0)
    assert (figure.server_cpu_us, figure.store_cpu_us, figure.generator_cpu_us) == (20.0, 10.0, 4.0)
    assert figure.errors == 8
    assert figure.spread == pytest.approx(1.5)
