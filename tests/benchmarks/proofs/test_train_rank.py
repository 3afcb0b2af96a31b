from __future__ import annotations

from pathlib import Path

from benchmarks.proofs import train_rank


def test_without_the_logs_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(train_rank, "REES46", Path("none/rees46.parquet"))

    assert train_rank.main([]) == 0
    assert "train-rank: skipped, because" in capsys.readouterr().out
