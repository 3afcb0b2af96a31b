"""Tables of neighbours are what a slow count over the log gives."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from training.ranking.shops import START, event, item, walks

from presage_export.bundle.table_files import check_tables
from presage_featurizer import MICROS, EventType
from presage_featurizer.ranking.assembling import digest_number
from presage_featurizer.ranking.tables import RankingTables
from presage_training.ranking.exporting import table_arrays
from presage_training.ranking.pair_log import PairLog
from presage_training.ranking.tables import TableBuilder

DAY = 86_400


def built(log, now=None):
    builder = TableBuilder()
    for one in log:
        builder.add(one)
    return builder.build(log[-1].event_time_unix_micros if now is None else now)


def test_items_of_the_same_sessions_are_near_each_other():
    log = walks(visitors=10, sessions=3, items=12)
    now = log[-1].event_time_unix_micros
    tables = built(log, now)
    sessions: dict[tuple[str, int], list[int]] = {}
    starts: dict[tuple[str, int], int] = {}
    for one in log:
        key = one.user_id, (one.event_time_unix_micros - START) // (DAY * MICROS)
        starts.setdefault(key, one.event_time_unix_micros)
        sessions.setdefault(key, []).append(digest_number(one.items[0].item_id))
    members = [(set(items), starts[key]) for key, items in sessions.items()]
    counts = {number: sum(number in items for items, _ in members) for number in tables.digests.tolist()}
    for row, number in enumerate(tables.digests.tolist()):
        expected = {}
        for items, start in members:
            if number in items:
                weight = 0.5 ** ((now - start) / MICROS / DAY / 60) / math.sqrt(len(items))
                for other in items - {number}:
                    expected[other] = expected.get(other, 0.0) + weight / math.sqrt(counts[other] + 10.0)
        found = {
            int(tables.digests[other]): weight
            for other, weight in zip(
                tables.viewed_together.rows[row].tolist(), tables.viewed_together.weights[row].tolist(), strict=True
            )
            if other >= 0
        }
        assert found.keys() == expected.keys()
        for other, weight in found.items():
            assert math.isclose(weight, expected[other], rel_tol=1e-6)
        weights = tables.viewed_together.weights[row]
        assert (np.diff(weights) <= 0.0).all()


def test_the_next_event_follows_the_one_before():
    log = [event(EventType.VIEW_ITEM, 1, START + minute * 60 * MICROS, (item(minute % 3),)) for minute in range(3)]
    tables = built(log)
    rows = {number: row for row, number in enumerate(tables.digests.tolist())}
    first, second, third = (rows[digest_number(f"item-{number}")] for number in range(3))

    assert tables.followed_by.rows[first].tolist()[0] == second
    assert tables.followed_by.rows[second].tolist()[0] == third
    assert (tables.followed_by.rows[third] == -1).all()


def test_what_is_bought_again_has_a_higher_repeat_rate():
    def buy(user: int, day: int, *numbers: int) -> object:
        return event(EventType.PURCHASE, user, START + day * DAY * MICROS, tuple(map(item, numbers)))

    tables = built([buy(1, 0, 1, 2), buy(1, 1, 1), buy(1, 2, 1), buy(2, 3, 2)])
    rates = dict(zip(tables.digests.tolist(), tables.repeat_rates.tolist(), strict=True))

    prior = 2 / 5
    assert math.isclose(rates[digest_number("item-1")], (2 + 5 * prior) / (3 + 5), rel_tol=1e-6)
    assert math.isclose(rates[digest_number("item-2")], (0 + 5 * prior) / (2 + 5), rel_tol=1e-6)


def test_a_bundle_takes_every_array_and_gives_the_same_tables_back():
    tables = built(walks())
    arrays = table_arrays(tables)

    assert check_tables(arrays) == len(tables.digests)
    again = table_arrays(RankingTables.restore(arrays))
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)


def test_an_empty_log_has_tables():
    tables = TableBuilder().build(START)

    assert check_tables(table_arrays(tables)) == 0


@given(pairs=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7)), max_size=60), most=st.integers(1, 5))
def test_pairs_become_matrices(pairs, most):
    log = PairLog()
    for group, row in pairs:
        log.add(group, [row])
    groups = {number: list(dict.fromkeys(row for group, row in pairs if group == number)) for number in range(6)}

    for options, expected in (
        ({}, groups),
        ({"first": most}, {group: rows[:most] for group, rows in groups.items()}),
        ({"last": most}, {group: rows[-most:] for group, rows in groups.items()}),
    ):
        found = log.matrix(6, 8, **options).toarray()
        for group, rows in expected.items():
            assert np.flatnonzero(found[group]).tolist() == sorted(rows)
            assert found[group].max(initial=0.0) <= 1.0
    assert log.counts(8).tolist() == [sum(row == number for _, row in pairs) for number in range(8)]
    assert log.distinct_counts(8).tolist() == [sum(number in rows for rows in groups.values()) for number in range(8)]


def test_of_too_many_pairs_the_newest_are_kept():
    log = PairLog(most=10)
    for group in range(25):
        log.add(group, [group % 3])

    kept = np.flatnonzero(np.diff(log.matrix(25, 3).indptr))
    assert 5 <= len(kept) <= 10
    assert kept.tolist() == list(range(25 - len(kept), 25))
