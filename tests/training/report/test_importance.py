from __future__ import annotations

import pytest
from training.models.data import NAMES, parts_of

from presage_training.models import fit
from presage_training.report.importance import gain_shares, permutation_losses


@pytest.fixture(scope="module")
def parts():
    return parts_of(3_000)


@pytest.mark.parametrize(
    "kind", ["lightgbm-classifier", "xgboost-classifier", "logistic-regression", "gradient-boosting"]
)
def test_what_decides_leads_and_noise_does_not(parts, kind):
    train, tune, test = parts
    fitted = fit(kind, train, tune, seed=1)
    shares = gain_shares(fitted.trained, NAMES)
    losses = permutation_losses(fitted.margins, test.features, test.targets > 0, NAMES, seed=1)

    assert shares.keys() == losses.keys() == set(NAMES)
    assert sum(shares.values()) == pytest.approx(1.0)
    for found in (shares, losses):
        assert list(found.values()) == sorted(found.values(), reverse=True)
        assert found["frequency"] > 3 * found["noise"]
    assert abs(losses["noise"]) < 0.02


def test_what_a_model_does_not_look_at_loses_nothing(parts):
    *_, test = parts
    losses = permutation_losses(
        lambda features: features[:, 1].astype(float), test.features, test.targets > 0, NAMES, seed=1
    )

    assert losses["frequency"] > 0.1
    assert [losses[name] for name in NAMES if name != "frequency"] == [0.0] * 5


def test_a_baseline_has_no_gain_and_one_kind_of_rows_no_losses(parts):
    train, tune, test = parts

    assert gain_shares(fit("prevalence", train, tune, seed=1).trained, NAMES) is None
    assert permutation_losses(lambda rows: rows[:, 0], test.features, test.targets > 5, NAMES, seed=1) is None
