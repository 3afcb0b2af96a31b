from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.proofs import served_parity as proof
from benchmarks.proofs.served_parity import FEATURE_SET, LOG, fitted_kinds, main, served_parity

needs_the_log = pytest.mark.skipif(not LOG.exists(), reason=f"the real log is not at {LOG}")


@pytest.mark.slow
@needs_the_log
def test_served_scores_are_the_librarys(tmp_path):
    rows, fitted = fitted_kinds(("logistic-regression", "mean"))
    parities = served_parity(fitted, rows, tmp_path, feature_set=FEATURE_SET)

    assert [(one.kind, one.rows, one.holds) for one in parities] == [
        ("logistic-regression", len(rows), True),
        ("mean", len(rows), True),
    ]
    assert len(rows) >= 10_000


def test_any_difference_is_found():
    fine = proof.Parity(kind="mean", rows=1, largest=1e-6, allowed=1e-6)

    assert fine.holds
    assert not replace(fine, largest=np.nextafter(1e-6, 1)).holds
    assert not replace(fine, largest=float("nan")).holds


def test_a_missing_log_is_said_and_is_no_failure(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(proof, "LOG", tmp_path / "gone.parquet")

    assert main() == 0
    assert "nothing compared, because gone.parquet is not at" in capsys.readouterr().out
