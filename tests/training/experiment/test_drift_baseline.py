"""The baseline of a bundle: of all decision points, what follows the clock apart, and scores of rows that were not trained on."""

from __future__ import annotations

import numpy as np
import pytest

from presage_export.drift import BASELINE_FILE, Kind, unpack_baseline
from presage_featurizer import CORE, MICROS
from presage_training.datasets.dataset import build_dataset
from presage_training.datasets.served import sample_served
from presage_training.datasets.targets import PurchaseInSession
from presage_training.experiment.drift_baseline import baseline_of_features, with_scores
from presage_training.replaying.decisions import EveryEvent
from presage_training.simulator import simulate

START = 1_767_571_200 * MICROS  # a Monday


@pytest.fixture(scope="module")
def dataset():
    events = simulate(seed=5, visitors=150, start_unix_micros=START, days=7)
    return build_dataset(events, decisions=EveryEvent(), target=PurchaseInSession(), feature_set=CORE)


@pytest.fixture(scope="module")
def features(dataset):
    return baseline_of_features(dataset.served, CORE)


def test_rows_of_all_decision_points_count_with_a_label_or_without(dataset):
    assert len(dataset.served) > len(dataset)
    assert dataset.take(np.arange(3)).served is dataset.served


def test_columns_are_compared_as_their_features_ask_for(features):
    kinds = dict(zip(CORE.features, features.kinds.tolist(), strict=True))
    assert {name for name, kind in kinds.items() if kind == Kind.NEVER} == {"month", "quarter"}
    assert {name for name, kind in kinds.items() if kind == Kind.SAME_HOURS} == {
        *("hour_of_day", "day_of_week", "is_weekend", "is_business_hours")
    }
    defaults = dict(zip(CORE.features, features.defaults.tolist(), strict=True))
    assert defaults["page_views"] == 0.0
    assert np.isnan(defaults["hour_of_day"])


def test_scores_are_those_of_later_rows(dataset, features):
    cut = int(np.median(dataset.served.times_unix_micros))
    files = with_scores(
        features,
        dataset.served,
        lambda rows: np.full(len(rows), 0.25),
        after_unix_micros=cut,
        time_zone=CORE.time_zone,
    )
    columns = len(CORE.features) + 1
    baseline = unpack_baseline(files[BASELINE_FILE], columns=columns)
    of_scores = baseline.counts[baseline.layout.bins_of(columns - 1)]
    later = int((dataset.served.times_unix_micros > cut).sum())
    assert of_scores.max() == of_scores.sum() == later
    assert baseline.counts[baseline.layout.bins_of(0)].sum() == len(dataset.served)


def test_a_large_log_gives_a_sample_of_whole_visitors(dataset, monkeypatch):
    recording = _as_recorded(dataset)
    monkeypatch.setattr("presage_training.datasets.served._MAX_ROWS", len(dataset.served) // 3)
    sampled = sample_served(recording)
    assert 0 < len(sampled) < len(dataset.served)
    counted = dict(zip(*np.unique(dataset.served.visitors, return_counts=True), strict=True))
    assert all(
        counted[visitor] == rows for visitor, rows in zip(*np.unique(sampled.visitors, return_counts=True), strict=True)
    )


class _as_recorded:  # noqa: N801 - stands for the columns of a recording
    def __init__(self, dataset) -> None:
        self.features = dataset.served.values
        self.time_unix_micros = dataset.served.times_unix_micros
        self.visitor = dataset.served.visitors

    def __len__(self) -> int:
        return len(self.features)
