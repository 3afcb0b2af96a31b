from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from training.logs import shop

from presage_featurizer import CONVERSION
from presage_training.datasets.dataset import build_dataset, purchase_in_session
from presage_training.datasets.splits import grouped_folds
from presage_training.datasets.targets import parse_target
from presage_training.errors import DatasetError
from presage_training.experiment import (
    DEFAULT_KINDS,
    ExperimentOptions,
    choose_kinds,
    cross_validate,
    run_experiment,
    split_parts,
)
from presage_training.replaying.decisions import parse_decisions
from presage_training.report.results import Check

KINDS = ("logistic-regression", "xgboost-classifier")
OPTIONS = ExperimentOptions(draws=100)

# One process trains for all of them.
pytestmark = pytest.mark.xdist_group("experiment")


@pytest.fixture(scope="module")
def dataset():
    return purchase_in_session(shop(visitors=700))


@pytest.fixture(scope="module")
def experiment(dataset):
    return run_experiment(dataset, KINDS, options=OPTIONS, shifted=lambda: dataset)


def test_baselines_stand_before_the_kinds_asked_for(experiment):
    assert [one.kind for one in experiment.results] == ["prevalence", "single-feature", "rfm-rule", *KINDS]
    assert [one.is_baseline for one in experiment.results] == [True, True, True, False, False]
    assert experiment.baseline in {"single-feature", "rfm-rule"}
    assert all(one.ahead is None for one in experiment.results[:3])


def test_models_learn_what_the_shop_does(experiment):
    for one in experiment.results[3:]:
        assert one.metrics["roc_auc"].low > 0.6
        assert one.ahead.high > 0.0


def test_no_part_knows_of_the_next(experiment):
    parts = experiment.parts
    for earlier, later in ((parts.train, parts.tune), (parts.tune, parts.test)):
        assert earlier.span_ends_unix_micros.max() < later.span_starts_unix_micros.min()


def test_every_check_is_made_and_finds_nothing(experiment):
    assert {check.name for check in experiment.checks} == {
        "event-order",
        "lone-feature",
        "early-prefixes",
        "shuffled-labels",
        "shifted-now",
    }
    assert all(not check.warnings for check in experiment.checks)


def test_a_label_among_the_features_is_smelt(dataset):
    leaked = dataset.features.copy()
    leaked[:, CONVERSION.features.index("hour_of_day")] = dataset.labels
    checks = run_experiment(
        replace(dataset, features=leaked), KINDS[:1], options=OPTIONS, shifted=lambda: dataset
    ).checks
    found = {check.name: check.warnings for check in checks}

    assert [warning.name for warning in found["lone-feature"]] == ["lone-feature"]
    assert found["early-prefixes"]
    assert found["shifted-now"]


def test_slices_cover_all_test_rows(experiment):
    slices = experiment.results[-1].slices
    for by in ("visitor", "device", "country", "session prefix"):
        assert sum(one.rows for one in slices if one.by == by) == len(experiment.parts.test)


def test_the_same_seed_gives_the_same_figures(dataset, experiment):
    again = run_experiment(dataset, KINDS[:1], options=OPTIONS)

    assert [one.metrics for one in again.results] == [one.metrics for one in experiment.results[:-1]]


def test_amounts_are_predicted_too():
    revenue = build_dataset(
        shop(visitors=400, days=20), decisions=parse_decisions("every-nth:5"), target=parse_target("revenue-within:3")
    )
    experiment = run_experiment(revenue, ["lightgbm-regressor"], options=OPTIONS)

    assert [one.kind for one in experiment.results] == ["mean", "lightgbm-regressor"]
    assert set(experiment.results[1].metrics) == {"rmse", "mae", "r2"}
    assert experiment.checks == (Check(name="event-order", warnings=()),)


def test_cross_validation_scores_each_row_by_a_model_of_other_visitors(dataset):
    folds = list(grouped_folds(dataset, 3, seed=1))
    random = np.random.default_rng(0)
    # A feature that names the visitor would give the label away to a model that had seen it.
    names = CONVERSION.features.index("hour_of_day")
    visitors = dataset.features.copy()
    visitors[:, names] = np.unique(dataset.visitors, return_inverse=True)[1]
    alike = replace(dataset, features=visitors, labels=random.permutation(dataset.labels))
    scores = cross_validate(alike, ["prevalence", "xgboost-classifier"], folds, options=OPTIONS)

    assert set(scores) == {"prevalence", "xgboost-classifier"}
    assert all(np.isfinite(one).all() for one in scores.values())
    assert abs(np.corrcoef(scores["xgboost-classifier"], alike.labels)[0, 1]) < 0.05


@pytest.mark.parametrize("kinds", [["forest"], ["lightgbm-regressor"], ["mean"]])
def test_kinds_that_do_not_fit_the_target_are_refused(kinds):
    with pytest.raises(
        DatasetError, match=f"models: '{kinds[0]}': expected, for purchase-in-session, some of lightgbm"
    ):
        choose_kinds("purchase-in-session", kinds, classifies=True)


def test_the_usual_kinds_are_those_of_the_target():
    assert choose_kinds("purchase-in-session", classifies=True) == DEFAULT_KINDS
    assert choose_kinds("revenue-within:3", classifies=False) == ("lightgbm-regressor", "xgboost-regressor")


def test_what_never_happens_is_said(dataset):
    with pytest.raises(DatasetError, match="the target purchase-in-session never happens"):
        split_parts(dataset.take(~dataset.positive), OPTIONS)


@pytest.mark.parametrize(
    ("bought", "name"),
    [((False, True, True), "train"), ((True, False, True), "tune"), ((True, True, False), "test")],
)
def test_a_part_without_positive_rows_is_named_with_its_time(dataset, bought, name):
    start, days = dataset.times_unix_micros.min(), 86_400_000_000
    times = start + np.arange(100) * days
    part = np.where(np.arange(100) < 63, 0, np.where(np.arange(100) < 75, 1, 2))
    hundred_days = replace(
        dataset.take(np.zeros(100, dtype=np.intp)),
        times_unix_micros=times,
        span_starts_unix_micros=times,
        span_ends_unix_micros=times,
        labels=np.array(bought)[part] & (np.arange(100) % 2 == 0),
    )

    with pytest.raises(DatasetError, match="expected both kinds: use a longer log") as caught:
        split_parts(hundred_days, OPTIONS)

    # The shares of the options are of parts of the time; a reader finds the days in the log.
    times_of = {"train": (0.0, 62.9), "tune": (62.9, 74.0), "test": (74.25, 99.0)}[name]
    first, last = (np.datetime64(int(start + day * days), "us").astype(str)[:10] for day in times_of)
    assert re.match(rf"the {name} part, {first} \S+ UTC to {last} \S+ UTC, has", str(caught.value))
    assert "%" not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"train_share": 1.0}, {"fit_share": 0.0}, {"draws": 10}])
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(DatasetError, match=f"{next(iter(wrong))}: expected"):
        ExperimentOptions(**wrong)
