"""A few thousand mutated states: each is rejected with one error, or does what a state does; ``make fuzz`` tries a million."""

from __future__ import annotations

from collections import Counter

from benchmarks.fuzzing.findings import Findings
from benchmarks.fuzzing.states.run import fuzz_states, make_trial

COUNT = 2_500


def test_a_mutated_state_is_rejected_or_works():
    trial, blobs = make_trial(1_795_305_600_000_000, items=100, visitors=4)
    findings, outcomes = Findings(), Counter()
    fuzz_states(trial, blobs, seed=1, numbers=range(COUNT), findings=findings, outcomes=outcomes)
    assert findings.examples == []
    assert outcomes["read"] + outcomes["corrupt"] + outcomes["of a newer release"] == COUNT
    assert outcomes["folded into"] > COUNT / 8
    assert outcomes["ranked for"] > COUNT / 100
