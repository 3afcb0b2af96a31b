from __future__ import annotations

import numpy as np
import pytest
from training.logs import shop

from presage_featurizer import FeatureSet
from presage_training.datasets.dataset import Dataset, LogFacts, build_dataset, purchase_in_session
from presage_training.datasets.splits import grouped_folds, split_by_time, split_by_time_and_visitor
from presage_training.datasets.targets import PurchaseWithin, RevenueWithin
from presage_training.errors import DatasetError
from presage_training.replaying.decisions import EveryEvent


@pytest.mark.parametrize("share", [0.25, 0.5, 0.8, 0.9])
def test_the_first_part_was_over_before_the_second_began(share):
    dataset = purchase_in_session(shop(visitors=200))
    before, after = split_by_time(dataset, share)

    assert before.span_ends_unix_micros.max() < after.span_starts_unix_micros.min()
    assert before.times_unix_micros.max() < after.times_unix_micros.min()
    cut = dataset.times_unix_micros.min() + share * np.ptp(dataset.times_unix_micros)
    across = (dataset.span_starts_unix_micros < cut) & (dataset.span_ends_unix_micros >= cut)
    assert len(before) + len(after) + across.sum() == len(dataset)


def session(start, end, *labels) -> dict[str, list[int]]:
    return {
        "labels": list(labels),
        "times": np.linspace(start, end, len(labels)).astype(int).tolist(),
        "starts": [start] * len(labels),
        "ends": [end] * len(labels),
    }


NO_FACTS = LogFacts(
    events=0, duplicates=0, visitors=0, first_unix_micros=0, last_unix_micros=0, decision_points=0, censored=0
)


def dataset_of(*sessions, visitors=None) -> Dataset:
    columns = {name: [each for one in sessions for each in one[name]] for name in ("labels", "times", "starts", "ends")}
    rows = len(columns["labels"])
    return Dataset(
        feature_set=FeatureSet(name="one", features=("frequency",)),
        target="purchase-in-session",
        log=NO_FACTS,
        features=np.zeros((rows, 1), dtype=np.float32),
        labels=np.array(columns["labels"], dtype=np.bool_),
        times_unix_micros=np.array(columns["times"], dtype=np.int64),
        span_starts_unix_micros=np.array(columns["starts"], dtype=np.int64),
        span_ends_unix_micros=np.array(columns["ends"], dtype=np.int64),
        visitors=np.arange(rows) if visitors is None else np.array(visitors),
        sessions=np.zeros(rows, dtype=np.int64),
        prefix_lengths=np.ones(rows, dtype=np.int32),
        known=np.ones(rows, dtype=np.bool_),
        devices=np.zeros(rows, dtype=np.int8),
        countries=np.zeros(rows, dtype="<U2"),
    )


def test_a_session_across_the_cut_is_in_neither_part():
    both = session(0, 9, 0, 0), session(1, 10, 1, 1)
    later = session(50, 60, 0), session(50, 100, 1, 1)
    before, after = split_by_time(dataset_of(*both, session(30, 70, 0, 0, 0), *later), 0.5)

    assert before.times_unix_micros.tolist() == [0, 9, 1, 10]
    assert after.times_unix_micros.tolist() == [50, 50, 100]
    assert after.labels.tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("sessions", "message"),
    [
        ([], "no rows"),
        (
            [session(0, 1, 0), session(2, 3, 1), session(0, 100, 0, 0)],
            "the later part, 1970-01-01 00:00 UTC to .* has 0 rows",
        ),
        (
            [session(0, 1, 0), session(60, 70, 0), session(60, 100, 1, 1)],
            "the earlier part, .* 1 rows, 0 of them pos",
        ),
        (
            [session(0, 1, 1), session(60, 70, 0), session(60, 100, 1, 1)],
            "the earlier part, .* 1 rows, 1 of them pos",
        ),
        ([session(0, 1, 0), session(0, 1, 1), session(60, 100, 0, 0)], "the later part, .* 2 rows, 0 of them pos"),
    ],
)
def test_a_part_without_both_kinds_is_refused(sessions, message):
    with pytest.raises(DatasetError, match=message):
        split_by_time(dataset_of(*sessions), 0.5)


@pytest.mark.parametrize("share", [-0.1, 0.0, 1.0, 80])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(DatasetError, match="share of the time: expected a number between 0 and 1"):
        split_by_time(dataset_of(session(0, 1, 0, 1)), share)


@pytest.fixture(scope="module")
def within_days():
    return build_dataset(shop(visitors=400), decisions=EveryEvent(), target=PurchaseWithin(2))


def test_no_label_of_the_first_part_is_settled_within_the_second(within_days):
    before, after = split_by_time(within_days, 0.6)

    assert before.span_ends_unix_micros.max() < after.times_unix_micros.min()
    assert len(before) > 1_000
    assert len(after) > 1_000


def test_a_visitor_is_on_one_side_only(within_days):
    before, after = split_by_time_and_visitor(within_days, 0.6, seed=3)
    of_time_alone = split_by_time(within_days, 0.6)

    assert not np.intersect1d(before.visitors, after.visitors).size
    assert before.span_ends_unix_micros.max() < after.span_starts_unix_micros.min()
    shares = [len(part) / len(whole) for part, whole in zip((before, after), of_time_alone, strict=True)]
    assert shares == pytest.approx([0.7, 0.3], abs=0.15)
    # Visitors who came before the cut are held out too, not newcomers only.
    assert np.isin(after.visitors, of_time_alone[0].visitors).any()


def test_the_seed_draws_the_visitors(within_days):
    first, again, other = (split_by_time_and_visitor(within_days, 0.6, seed=seed)[1] for seed in (3, 3, 4))

    assert np.array_equal(first.times_unix_micros, again.times_unix_micros)
    assert not np.array_equal(first.times_unix_micros, other.times_unix_micros)


def test_a_part_without_visitors_of_both_kinds_is_refused():
    both = session(0, 1, 0, 1), session(60, 100, 0, 1)

    with pytest.raises(DatasetError, match=r"the later part, .* and of its own visitors, has 0"):
        split_by_time_and_visitor(dataset_of(*both, visitors=[0, 0, 0, 0]), 0.5, seed=0)


def test_each_visitor_is_in_one_fold_and_each_row_is_tested_once(within_days):
    folds = list(grouped_folds(within_days, 5, seed=1))
    tested = np.stack([test for _, test in folds])

    assert len(folds) == 5
    assert (tested.sum(axis=0) == 1).all()
    buyers = len(np.unique(within_days.visitors[within_days.positive]))
    for train, test in folds:
        assert np.array_equal(train, ~test)
        assert not np.intersect1d(within_days.visitors[train], within_days.visitors[test]).size
        assert len(np.unique(within_days.visitors[test & within_days.positive])) - buyers // 5 in {0, 1}


def test_the_seed_deals_the_folds(within_days):
    first, again, other = (next(iter(grouped_folds(within_days, 5, seed=seed)))[1] for seed in (1, 1, 2))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_amounts_can_be_folded_too():
    dataset = build_dataset(shop(visitors=60), decisions=EveryEvent(), target=RevenueWithin(2))

    assert sum(test.sum() for _, test in grouped_folds(dataset, 3, seed=1)) == len(dataset)


@pytest.mark.parametrize(
    ("dataset", "folds", "message"),
    [
        (dataset_of(session(0, 1, 0, 1)), 1, "folds: expected at least 2, got 1"),
        (dataset_of(session(0, 1, 0, 1)), 3, "3 folds need as many visitors, got 2"),
        (dataset_of(session(0, 1, 0, 0)), 2, "never happens"),
        (dataset_of(session(0, 3, 0, 0, 0, 1)), 2, "1 of 2 folds over 4 visitors would have no positive row"),
        (dataset_of(session(0, 3, 1, 1, 0, 1)), 2, "1 of 2 folds over 4 visitors would have no negative row"),
    ],
)
def test_folds_without_both_kinds_are_refused(dataset, folds, message):
    with pytest.raises(DatasetError, match=message):
        grouped_folds(dataset, folds, seed=0)
