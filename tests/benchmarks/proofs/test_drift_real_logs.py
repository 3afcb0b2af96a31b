"""Drift of a real log: where the log is missing, the command says so."""

from __future__ import annotations

from pathlib import Path

from benchmarks.proofs.drift import real_logs


def test_without_the_log_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(real_logs, "_LOG", Path("none/online_retail.parquet"))
    assert real_logs.main([]) == 0
    assert "online_retail.parquet: skipped, because it is not at none" in capsys.readouterr().out
