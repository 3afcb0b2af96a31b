"""Planted challengers, judged by the whole loop."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.proofs.planted.bundles import Truth
from benchmarks.proofs.planted.proof import CaseResult, Proof, prove

TRUTH = Truth(sessions=9_000, auc=(0.8, 0.7), calibration=(0.0, 0.0), loss=0.02, error=0.002)
DECIDED = CaseResult(
    truth=TRUTH,
    looks=40,
    verdict="roll back",
    sentence="worse/2 is worse than worse/1",
    changed_by=("presage learn",),
    served={"1": 90, "3": 2},
)
PROMOTED = replace(DECIDED, verdict="promote", served={"2": 90, "3": 2})
EQUAL = replace(DECIDED, looks=60, verdict="continue", changed_by=(), served={"1": 60, "2": 30, "3": 2})
FINE = Proof(
    cases={"worse": DECIDED, "better": PROMOTED, "equal": EQUAL},
    looks=60,
    events=20_000,
    scores=20_000,
    wrong=(),
    is_same_process=True,
)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_worse_challenger_is_rolled_back_a_better_one_promoted_and_an_equal_one_neither(tmp_path):
    proof = prove(tmp_path, visitors=1_100, looks=8, seed=3, tightest_at=1_500)

    assert proof.failures == []
    assert proof.cases["equal"].looks == 8
    assert max(abs(off) for case in proof.cases.values() for off in case.truth.calibration) < 0.01
    assert proof.cases["worse"].truth.loss > 4.0 * proof.cases["worse"].truth.error
    assert abs(proof.cases["equal"].truth.loss) < 3.0 * proof.cases["equal"].truth.error


def test_a_proof_holds_if_each_challenger_became_what_it_should():
    assert FINE.failures == []


@pytest.mark.parametrize(
    ("name", "change", "failure"),
    [
        ("worse", {"verdict": "continue"}, "expected roll back, got continue"),
        ("better", {"verdict": "roll back"}, "expected promote, got roll back"),
        ("equal", {"verdict": "promote", "changed_by": ("presage learn",)}, "expected continue, got promote"),
        ("equal", {"looks": 59}, "expected 60 looks, got 59"),
        ("equal", {"changed_by": ("guard",)}, "changed by guard"),
        ("worse", {"changed_by": ("guard",)}, "changed by guard"),
        ("worse", {"served": {"1": 90, "2": 1}}, "scores after the decision"),
        ("better", {"served": {}}, "scores after the decision"),
    ],
)
def test_a_case_fails_by_name(name, change, failure):
    proof = replace(FINE, cases={**FINE.cases, name: replace(FINE.cases[name], **change)})
    assert [found for found in proof.failures if found.startswith(f"{name}: ") and failure in found]


def test_a_wrong_version_and_another_process_fail():
    assert "2 scores from a wrong version, such as a" in replace(FINE, wrong=("a", "b")).failures[0]
    assert replace(FINE, is_same_process=False).failures == ["the server has ended"]
