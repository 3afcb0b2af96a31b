"""Priors: what they predict, and that they are bundles like any other."""

from __future__ import annotations

import numpy as np
import pytest

from presage_export.bundle import read_bundle
from presage_featurizer import CORE, FeatureSet, featurize
from presage_training.datasets.dataset import purchase_in_session
from presage_training.learning import fit_prior, write_prior
from support.learning import shop_events

NAMES = {"target": "purchase-in-session", "decisions": "every-event", "default_rate": 0.02}


@pytest.fixture(scope="module")
def dataset():
    return purchase_in_session(shop_events(visitors=150, days=10), CORE)


def test_without_data_everyone_gets_the_default_rate(tmp_path):
    write_prior(tmp_path / "shop" / "1", None, CORE, **NAMES)
    bundle = read_bundle(tmp_path / "shop" / "1")
    assert bundle.manifest.data["kind"] == "prior"
    scores = bundle.scores(np.random.default_rng(1).normal(0.0, 10.0, (50, len(CORE.features))).astype(np.float32))
    assert scores == pytest.approx([0.02] * 50)


def test_a_counted_prior_depends_on_country_device_and_hour_alone(tmp_path, dataset):
    write_prior(tmp_path / "shop" / "1", dataset, CORE, **NAMES)
    bundle = read_bundle(tmp_path / "shop" / "1")
    importances = bundle.manifest.importances
    scores = np.array(bundle.scores(dataset.features))
    spoiled = dataset.features.copy()
    others = [CORE.features.index(name) not in columns() for name in CORE.features]
    spoiled[:, others] = 7.0
    assert np.array(bundle.scores(spoiled)).tolist() == scores.tolist()
    assert len(np.unique(scores)) > 20
    # Smoothed towards the default rate, but about right as a whole.
    assert scores.mean() == pytest.approx(dataset.positive.mean(), rel=0.3)
    assert not importances or set(importances) <= set(CORE.features)


def test_the_effect_of_a_value_is_its_smoothed_rate(dataset):
    features = FeatureSet(name="device", features=("device_encoded",))
    alone = dataset.features[:, [CORE.features.index("device_encoded")]]
    margins = fit_prior(with_columns(dataset, alone, features), features, default_rate=0.02).margins(alone)
    labels = dataset.positive
    base = (labels.sum() + 500 * 0.02) / (len(labels) + 500)
    for device in np.unique(alone):
        chosen = alone[:, 0] == device
        rate = (labels[chosen].sum() + 500 * base) / (chosen.sum() + 500)
        assert margins[chosen] == pytest.approx(np.log(rate / (1 - rate)))


def test_a_visitor_who_has_done_nothing_is_scored(tmp_path, dataset):
    write_prior(tmp_path / "shop" / "1", dataset, CORE, **NAMES)
    bundle = read_bundle(tmp_path / "shop" / "1")
    cold = featurize(None, int(dataset.times_unix_micros[0]), CORE)
    (score,) = bundle.scores(cold[None, :])
    assert 0.0 < score < 1.0


def columns():
    return {CORE.features.index(name) for name in ("country_encoded", "device_encoded", "hour_of_day")}


def with_columns(dataset, features, feature_set):
    from dataclasses import replace

    return replace(dataset, features=features, feature_set=feature_set)
