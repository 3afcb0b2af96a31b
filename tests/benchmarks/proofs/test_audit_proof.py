from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.proofs import audit_proof
from benchmarks.proofs.audit_proof import Proof, main, prove

FINE = Proof(
    events=10,
    rejected=0,
    visitors=2,
    vectors=3,
    replayed=10,
    same=3,
    mismatches=0,
    not_comparable=0,
    scores=3,
    early_mb=80.0,
    peak_mb=90.0,
    seconds=2.0,
    audit_cpu_seconds=1.0,
)


@pytest.mark.slow
def test_a_small_one_holds(tmp_path):
    proof = prove(tmp_path, events=4_000, vectors=400, flush_seconds=0.5)

    assert proof.holds, proof
    assert (proof.events, proof.vectors) == (4_000, 400)


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({}, True),
        ({"same": 2, "mismatches": 1}, False),
        ({"same": 2, "scores": 2, "not_comparable": 1}, False),
        ({"replayed": 9}, False),
        ({"scores": 2}, False),
        ({"vectors": 0, "same": 0, "scores": 0}, False),
        ({"peak_mb": 900.0}, True),
    ],
)
def test_it_holds_if_every_vector_was_compared_and_is_the_same(change, holds, monkeypatch, capsys):
    monkeypatch.setattr(audit_proof, "prove", lambda *_, **__: replace(FINE, **change))

    assert main([]) == (0 if holds else 1)
    assert ("yes" if holds else "NO") in capsys.readouterr().out
