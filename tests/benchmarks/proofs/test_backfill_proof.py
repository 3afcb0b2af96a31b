from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.proofs import backfill_proof, turns
from benchmarks.proofs.backfill_proof import Proof, main, prove
from benchmarks.proofs.turns import Latencies

LATENCIES = Latencies(windows=3, calls=30, rejected=0, failed=0, p50_us=100.0, p99_us=200.0, worst_p99_us=300.0)
FINE = Proof(
    summary="presage backfill: ended",
    exit_code=0,
    seconds=2.0,
    written=3,
    visitors=3,
    stored=3,
    acknowledged=40,
    streamed=41,
    archived=41,
    differing=(),
    alone=LATENCIES,
    beside=LATENCIES,
)


@pytest.mark.slow
def test_a_small_one_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(turns, "_WINDOW_SECONDS", 1.0)
    proof = prove(tmp_path, visitors=400, rate=100)

    assert proof.holds, proof
    assert proof.visitors == 400
    assert proof.written > 200
    assert proof.beside.calls > 0


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({}, True),
        ({"exit_code": 1}, False),
        ({"written": 0}, False),
        ({"stored": 2}, False),
        ({"archived": 40}, False),
        ({"acknowledged": 42}, False),
        ({"differing": ("visitor",)}, False),
        ({"beside": replace(LATENCIES, rejected=1)}, True),
    ],
)
def test_it_holds_if_nothing_is_missing_twice_or_different(change, holds, monkeypatch, capsys):
    monkeypatch.setattr(backfill_proof, "prove", lambda *_, **__: replace(FINE, **change))

    assert main([]) == (0 if holds else 1)
    assert ("yes" if holds else "NO") in capsys.readouterr().out
