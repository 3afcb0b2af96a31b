"""Importances add up to 1, find the features that matter, and are left out where a model does not say them."""

from __future__ import annotations

import lightgbm
import msgspec
import numpy as np
import pytest
import xgboost
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from presage_export.additive import AdditiveModel
from presage_export.reading.importances import name_importances, read_importances
from presage_export.reading.lightgbm import read_lightgbm
from presage_export.reading.source_model import WeightedSum
from support.export_models import FEATURE_COUNT, rows_of, train

USEFUL = 1
NAMES = [f"feature_{index}" for index in range(FEATURE_COUNT)]


@pytest.fixture(scope="module")
def rows():
    return rows_of(600)


@pytest.fixture(scope="module")
def positive(rows):
    return rows[:, USEFUL] + np.random.default_rng(0).normal(size=len(rows)) > 0


MODELS = {
    "lightgbm": lambda rows, positive: train(rows, positive, objective="binary"),
    "lightgbm estimator": lambda rows, positive: lightgbm.LGBMClassifier(
        n_estimators=5, verbosity=-1, num_threads=1
    ).fit(rows.astype(np.float64), positive),
    "xgboost": lambda rows, positive: xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(rows, positive),
    "forest": lambda rows, positive: RandomForestClassifier(5, random_state=0).fit(rows, positive),
    "boosting": lambda rows, positive: GradientBoostingClassifier(n_estimators=5, random_state=0).fit(rows, positive),
    "linear": lambda rows, positive: make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, positive),
    "blend": lambda rows, positive: WeightedSum(
        members=(
            train(rows, positive, objective="binary"),
            make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, positive),
        ),
        weights=(0.5, 0.5),
        intercept=0.1,
        link="logit",
    ),
}


@pytest.mark.parametrize("kind", MODELS)
def test_the_feature_that_matters_has_the_largest_share(kind, rows, positive):
    shares = read_importances(MODELS[kind](rows, positive), rows)

    assert shares is not None
    assert shares.shape == (FEATURE_COUNT,)
    assert shares.sum() == pytest.approx(1.0)
    assert (shares >= 0.0).all()
    assert np.argmax(shares) == USEFUL
    assert shares[USEFUL] > 0.5


def test_gains_are_those_of_lightgbm(rows, positive):
    booster = train(rows, positive, objective="binary")
    gains = booster.feature_importance("gain")

    np.testing.assert_allclose(read_importances(booster, rows), gains / gains.sum())


def test_only_the_trees_that_serve_count(rows, positive):
    stopped = xgboost.XGBClassifier(n_estimators=30, early_stopping_rounds=1, n_jobs=1, random_state=0)
    half = len(rows) // 2
    stopped.fit(rows[:half], positive[:half], eval_set=[(rows[half:], positive[half:])], verbose=False)
    assert stopped.best_iteration + 1 < stopped.get_booster().num_boosted_rounds()
    kept = stopped.get_booster()[: stopped.best_iteration + 1].get_score(importance_type="total_gain")
    expected = np.array([kept.get(f"f{index}", 0.0) for index in range(FEATURE_COUNT)])

    np.testing.assert_allclose(read_importances(stopped, rows), expected / expected.sum())


def test_a_linear_share_does_not_depend_on_the_unit(rows):
    model = LinearRegression().fit(rows.astype(np.float64), rows[:, 0] + 2.0 * rows[:, 4])
    scaled = rows * np.float32(8.0)
    of_scaled = LinearRegression().fit(scaled.astype(np.float64), rows[:, 0] + 2.0 * rows[:, 4])

    np.testing.assert_allclose(read_importances(model, rows), read_importances(of_scaled, scaled), atol=1e-6)


def test_members_count_by_how_far_their_margins_spread(rows):
    first = AdditiveModel(feature_count=FEATURE_COUNT, link="identity", coefficients=(1.0, 0.0, 0.0, 0.0, 0.0))
    last = AdditiveModel(feature_count=FEATURE_COUNT, link="identity", coefficients=(0.0, 0.0, 0.0, 0.0, 1.0))
    constant = AdditiveModel(feature_count=FEATURE_COUNT, link="identity", intercept=3.0)
    blend = WeightedSum(members=(first, last, constant), weights=(3.0, -1.0, 1.0), intercept=0.0, link="identity")
    spreads = rows.astype(np.float64).std(axis=0)

    shares = read_importances(blend, rows)
    assert shares is not None
    assert shares[0] / shares[4] == pytest.approx(3.0 * spreads[0] / spreads[4])
    assert shares[1:4].tolist() == [0.0, 0.0, 0.0]


def test_trees_whose_gains_are_unknown_have_none(rows, positive):
    trees = read_lightgbm(train(rows, positive, objective="binary"))

    assert read_importances(trees, rows) is None
    assert name_importances(trees, rows, NAMES) is msgspec.UNSET
    mixed = WeightedSum(
        members=(trees, train(rows, positive, objective="binary")), weights=(1.0, 1.0), intercept=0.0, link="logit"
    )
    assert read_importances(mixed, rows) is None


def test_a_model_to_which_nothing_matters_has_none(rows):
    assert read_importances(AdditiveModel(feature_count=FEATURE_COUNT, link="identity", intercept=1.0), rows) is None


def test_names_are_those_of_the_features_in_order(rows, positive):
    booster = train(rows, positive, objective="binary")
    named = name_importances(booster, rows, NAMES)

    assert named is not msgspec.UNSET
    assert list(named) == NAMES
    np.testing.assert_allclose(list(named.values()), read_importances(booster, rows), atol=1e-9)
