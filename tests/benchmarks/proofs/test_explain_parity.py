from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.proofs import explain_parity as proof
from benchmarks.proofs.explain_parity import MODELS, compare, main


def test_explanations_are_the_librarys(monkeypatch, capsys):
    few = {name: MODELS[name] for name in ("lightgbm, 31 leaves", "xgboost, depth 6")}
    monkeypatch.setattr(proof, "MODELS", few)

    assert main(["--rows", "30"]) == 0
    assert capsys.readouterr().out.count("yes") == 2


def test_a_difference_is_found(monkeypatch, capsys):
    """Another model's covers: the sums are right, and the contributions are not."""
    covers = proof.read_covers

    def other_covers(model, rows):
        found = covers(model, rows)
        return replace(found, cover=np.sqrt(found.cover))

    monkeypatch.setattr(proof, "read_covers", other_covers)
    (parity,) = compare({"lightgbm, 31 leaves": MODELS["lightgbm, 31 leaves"]}, 5)

    assert not parity.holds
    assert parity.sums < 1e-9


def test_shap_that_cannot_be_run_is_a_failure(monkeypatch, capsys):
    monkeypatch.setattr(proof, "MODELS", {"boosting": MODELS["boosting"]})

    assert main(["--rows", "5", "--python", "/no/such/python"]) == 1
    assert "shap cannot be run" in capsys.readouterr().out


@pytest.mark.parametrize("missing", [False, True])
def test_rows_are_the_same_every_time(missing):
    first, second = (proof.make_rows(50, seed=3, missing=missing) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert np.isnan(first).any() == missing
