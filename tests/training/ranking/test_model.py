"""The model learns from whole queries, whose rows say nothing by their order."""

from __future__ import annotations

import numpy as np
import pytest

from presage_featurizer.ranking.pairs import PAIR_FEATURES
from presage_training.errors import DatasetError
from presage_training.ranking.model import FitRows, check_groups, feature_importances, fit_ranker
from presage_training.ranking.queries import Query

USEFUL = 3


def query(size: int = 20, *, seed: int = 0, taken: int = 1, current: int = 0) -> Query:
    """A query in which the candidates with the highest values of one feature are taken."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(size, len(PAIR_FEATURES))).astype(np.float32)
    items = random.permutation(1_000)[:size].astype(np.uint64)
    nothing = np.zeros(0, np.uint64)
    is_current = np.zeros(size, np.bool_)
    is_current[:current] = True
    return Query(
        visitor=seed,
        unix_micros=seed,
        items=items,
        rows=np.arange(size),
        sources=np.zeros(size, np.uint8),
        features=features,
        is_current=is_current,
        targets=items[np.argsort(-features[:, USEFUL])[:taken]],
        known=nothing,
        bought=nothing,
        session=nothing,
        users=np.zeros(size),
        categories=np.zeros(size, np.int64),
        bits=np.zeros(size),
        positions=np.zeros(size, np.int64),
        silence_micros=0,
    )


def rows_of(count: int, **options: int) -> FitRows:
    rows = FitRows(1)
    for seed in range(count):
        rows.add(query(seed=seed, **options))
    return rows


def test_it_finds_the_feature_that_decides():
    booster = fit_ranker(rows_of(200), seed=1)
    importances = feature_importances(booster)

    assert next(iter(importances)) == list(PAIR_FEATURES)[USEFUL]
    assert sum(importances.values()) == pytest.approx(1.0)
    assert list(importances.values()) == sorted(importances.values(), reverse=True)
    assert importances.keys() == PAIR_FEATURES.keys()
    asked = query(seed=999)
    assert asked.items[booster.predict(asked.features).argmax()] == asked.targets[0]


def test_the_same_seed_gives_the_same_model():
    texts = {fit_ranker(rows_of(60), seed=5).model_to_string() for _ in range(2)}

    assert len(texts) == 1


def test_rows_keep_their_query_but_not_their_order():
    rows = rows_of(30)
    features, labels, sizes = rows.part(0, 30)

    assert sizes == [20] * 30
    for seed in range(30):
        expected = query(seed=seed)
        part = slice(20 * seed, 20 * seed + 20)
        assert not np.array_equal(features[part], expected.features)
        np.testing.assert_array_equal(
            features[part][np.argsort(features[part, 0])], expected.features[np.argsort(expected.features[:, 0])]
        )
        assert features[part][labels[part] == 1][0, USEFUL] == expected.features[:, USEFUL].max()


def test_the_place_of_what_was_taken_says_nothing():
    """LightGBM breaks ties by the order of rows; were it that of retrieval, a model without features would look good."""
    _, labels, sizes = rows_of(400).part(0, 400)
    places = np.flatnonzero(labels) % sizes[0]

    assert np.bincount(places, minlength=20).max() < 45  # 20 each on average
    assert abs(places.mean() - 9.5) < 1.0


def test_queries_without_an_answer_among_their_candidates_are_left_out():
    rows = rows_of(10)
    rows.add(query(taken=0))

    assert (len(rows.sizes), rows.left_out) == (10, 1)


def test_what_the_visitor_looks_at_is_not_fitted():
    rows = rows_of(5, current=4, taken=20)

    assert rows.sizes == [16] * 5


def test_too_few_queries_are_an_error_that_says_how_many():
    rows = rows_of(19)
    for _ in range(5):
        rows.add(query(taken=0))

    with pytest.raises(DatasetError, match="expected at least 20 with a candidate that was taken, got 19 of 24"):
        fit_ranker(rows, seed=1)


@pytest.mark.parametrize(
    ("queries", "sizes"),
    [
        ([0, 0, 1, 1], [2, 1]),
        ([0, 1, 0, 1], [2, 2]),
        ([0, 0, 1, 1], [1, 3]),
        ([0, 0, 0, 0], [2, 2]),
    ],
)
def test_groups_that_mix_queries_are_noticed(queries, sizes):
    """LightGBM trains on them without an error."""
    with pytest.raises(RuntimeError, match="groups: expected"):
        check_groups(np.array(queries), sizes)


def test_whole_groups_pass():
    check_groups(np.array([4, 4, 2, 9, 9, 9]), [2, 1, 3])
    check_groups(np.zeros(0, np.int64), [])
