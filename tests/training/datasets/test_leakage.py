from __future__ import annotations

import random
from dataclasses import replace

import lightgbm
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from training.logs import shop

from presage_featurizer import CONVERSION
from presage_training.datasets.dataset import build_dataset, purchase_in_session
from presage_training.datasets.leakage import (
    chance_interval,
    early_prefixes,
    event_order,
    lone_features,
    shifted_now,
    shuffled_labels,
)
from presage_training.datasets.splits import split_by_time
from presage_training.datasets.targets import PurchaseInSession, PurchaseWithin, RevenueWithin
from presage_training.errors import DatasetError
from presage_training.replaying.decisions import Calendar, EveryEvent

EVENTS = {"visitors": 300, "days": 14}
RECENCY = CONVERSION.features.index("recency_days")
DEVICE = CONVERSION.features.index("device_encoded")


@pytest.fixture(scope="module")
def events():
    return shop(**EVENTS)


@pytest.fixture(scope="module")
def dataset(events):
    return purchase_in_session(events)


def fit(train):
    """A small model."""
    parameters = {"objective": "binary", "num_leaves": 7, "num_threads": 1, "verbosity": -1, "deterministic": True}
    booster = lightgbm.train(parameters, lightgbm.Dataset(train.features.astype(np.float64), train.positive), 20)
    return lambda features: np.asarray(booster.predict(features.astype(np.float64)))


def evaluate(dataset):
    train, test = split_by_time(dataset, 0.7)
    return test.positive, fit(train)(test.features)


def with_feature(dataset, place, values):
    features = dataset.features.copy()
    features[:, place] = values
    return replace(dataset, features=features)


def test_a_sound_dataset_and_model_smell_of_nothing(events, dataset):
    shifted = build_dataset(events, decisions=EveryEvent(), target=PurchaseInSession(), now_shift_micros=-1_000_000)
    (train, test), (_, shifted_test) = split_by_time(dataset, 0.7), split_by_time(shifted, 0.7)
    score = fit(train)

    assert roc_auc_score(test.positive, score(test.features)) > 0.6
    assert event_order(test) is None
    assert early_prefixes(test, score) is None
    assert lone_features(test) == []
    assert shifted_now(test, shifted_test, score) is None
    assert shuffled_labels(dataset, evaluate, seed=1) is None


def test_a_shuffled_log_smells_where_no_other_check_does(events, dataset):
    shuffled = random.Random(2).sample(events, len(events))
    rows = purchase_in_session(shuffled)
    train, test = split_by_time(rows, 0.7)
    warning = event_order(test)

    assert rows.positive.sum() < 0.5 * dataset.positive.sum()
    assert lone_features(rows) == []
    assert early_prefixes(test, fit(train)) is None
    assert warning is not None
    assert (warning.name, warning.roc_auc) == ("event-order", None)
    assert warning.message.startswith(f"{rows.log.order.late_events:,} of {len(events):,} events (")
    assert warning.message.endswith("; give --sort, unless servers received this order")


def test_decisions_at_fixed_times_smell_if_visitors_follow_one_another(events):
    log = sorted(events, key=lambda event: event.user_id)
    of_days = build_dataset(log, decisions=Calendar(), target=PurchaseWithin(2))
    in_order = build_dataset(events, decisions=Calendar(), target=PurchaseWithin(2))
    warning = event_order(of_days)

    assert len(of_days) < 0.5 * len(in_order)
    assert event_order(in_order) is None
    assert warning is not None
    assert "are more than an hour older than events before them" in warning.message
    assert event_order(purchase_in_session(log)) is None


def test_a_feature_that_is_filled_in_afterwards_smells(dataset):
    """The device is told with the order: as the last state of the session would say it, not that of the moment."""
    leaking = with_feature(dataset, DEVICE, dataset.labels)
    train, test = split_by_time(leaking, 0.7)
    early = early_prefixes(test, fit(train))
    (lone,) = lone_features(test)

    assert early is not None
    assert (early.name, early.roc_auc > 0.99) == ("early-prefixes", True)
    assert "of sessions with up to 3 events" in early.message
    assert (lone.name, lone.roc_auc) == ("lone-feature", 1.0)
    assert "device_encoded alone has a ROC-AUC of 1.000" in lone.message


def test_a_feature_that_is_low_for_buyers_smells_too(dataset):
    (lone,) = lone_features(with_feature(dataset, DEVICE, ~dataset.labels))

    assert lone.roc_auc == 1.0


def test_late_knowledge_is_no_smell_of_early_prefixes(dataset):
    train, test = split_by_time(
        with_feature(dataset, DEVICE, np.where(dataset.prefix_lengths > 3, dataset.labels, 0.5)), 0.7
    )

    assert early_prefixes(test, fit(train)) is None
    assert early_prefixes(test.take(test.prefix_lengths > 3), fit(train), events=1_000) is not None


def test_a_model_that_hangs_on_the_second_smells(dataset):
    """Buyers' rows were made at full days, as those of a batch job are; others at any time."""
    seconds = np.random.default_rng(0).uniform(1, 59, len(dataset))
    days = np.where(dataset.labels, 5.0, 5.0 + seconds / 86_400)
    now, earlier = (with_feature(dataset, RECENCY, days - shift) for shift in (0.0, 1 / 86_400))
    train, test = split_by_time(now, 0.7)
    smell = shifted_now(test, split_by_time(earlier, 0.7)[1], lambda rows: -np.abs(rows[:, RECENCY] - 5.0))

    assert len(train) > 0
    assert smell is not None
    assert smell.name == "shifted-now"
    assert "falls from 1.000 to" in smell.message


def test_other_rows_are_not_compared(dataset):
    with pytest.raises(DatasetError, match="expected the same rows twice"):
        shifted_now(dataset, dataset.take(dataset.positive), fit(dataset))


def test_held_out_rows_among_those_of_training_smell(dataset):
    def careless(rows):
        _, test = split_by_time(rows, 0.7)
        nearest = {row.tobytes(): label for row, label in zip(rows.features, rows.labels, strict=True)}
        return test.positive, np.array([float(nearest[row.tobytes()]) for row in test.features])

    smell = shuffled_labels(dataset, careless, seed=1)
    assert smell is not None
    assert smell.name == "shuffled-labels"
    assert smell.roc_auc > 0.7
    assert "with shuffled labels; chance gives 0.4" in smell.message


@pytest.mark.slow
def test_chance_is_inside_its_interval_and_knowledge_outside():
    random = np.random.default_rng(5)
    labels = random.random(2_000) < 0.1
    low, high = chance_interval(labels)
    aucs = np.array([roc_auc_score(labels, random.random(2_000)) for _ in range(1_000)])

    assert low + high == pytest.approx(1.0)
    assert np.mean((low <= aucs) & (aucs <= high)) >= 0.995
    # No wider than it has to be: a third of it holds two thirds of all.
    assert np.mean(np.abs(aucs - 0.5) <= (high - 0.5) / 3.29) == pytest.approx(0.683, abs=0.05)


def test_too_few_rows_smell_of_nothing(dataset):
    few = dataset.take(np.flatnonzero(dataset.positive)[:9])
    few = with_feature(few, DEVICE, few.labels)

    assert early_prefixes(few, lambda rows: rows[:, DEVICE]) is None
    assert lone_features(few) == []
    assert shifted_now(few, few, lambda rows: rows[:, DEVICE]) is None


@pytest.mark.parametrize("labels", [[True, True], [False], []])
def test_labels_of_one_kind_have_no_interval(labels):
    with pytest.raises(DatasetError, match="expected positive and negative labels"):
        chance_interval(np.array(labels, dtype=np.bool_))


def test_amounts_are_taken_by_their_sign(events):
    dataset = build_dataset(events, decisions=EveryEvent(), target=RevenueWithin(2))
    (lone,) = lone_features(with_feature(dataset, DEVICE, dataset.positive))

    assert lone.roc_auc == 1.0
