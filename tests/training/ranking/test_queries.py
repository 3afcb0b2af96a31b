"""Queries see what was known at their moment, and nothing that came later."""

from __future__ import annotations

import numpy as np
import pytest
from training.ranking.shops import DAY, START, baskets, item, lists, walks

from presage_featurizer import Item
from presage_featurizer.ranking.assembling import digest_number
from presage_featurizer.ranking.compiled import kernels
from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.ranking.items_counter import CatalogueChange, item_number
from presage_featurizer.ranking.pairs import PAIR_FEATURES
from presage_training.ranking.answers import survey
from presage_training.ranking.catalogue import DatedCatalogue
from presage_training.ranking.planning import RankingOptions, make_plan
from presage_training.ranking.queries import LogReplay
from support.numpy_only import numpy_only

OPTIONS = RankingOptions()
PLACES = {name: place for place, name in enumerate(PAIR_FEATURES)}


def asked(log, question, plan=None):
    plan = plan or make_plan(survey(log), OPTIONS, question)
    return plan, list(LogReplay(plan, bucket_seconds=60).queries(log))


@pytest.mark.parametrize(
    ("log", "question"), [(walks(), "next-item"), (baskets(), "next-order"), (lists(), "shown-list")]
)
def test_what_comes_later_changes_nothing(log, question):
    """The log is cut after a query: tables, counts and states of later events must not be in it."""
    plan, whole = asked(log, question)
    place = plan.test[len(plan.test) // 2].place
    _, cut = asked(log[: place + 1], question, plan)

    known = [query for _, query in cut]
    assert len(plan.fit) < len(known) < len(whole)
    for (_, expected), found in zip(whole, known, strict=False):
        np.testing.assert_array_equal(found.features, expected.features)
        np.testing.assert_array_equal(found.items, expected.items)
        np.testing.assert_array_equal(found.users, expected.users)


@pytest.mark.parametrize(
    ("log", "question"), [(walks(), "next-item"), (baskets(), "next-order"), (lists(), "shown-list")]
)
def test_every_answer_of_the_plan_is_asked_once_in_its_part(log, question):
    plan, found = asked(log, question)

    assert [part for part, _ in found] == ["fit"] * len(plan.fit) + ["test"] * len(plan.test)
    for (_, query), answer in zip(found, (*plan.fit, *plan.test), strict=True):
        assert query.unix_micros == answer.unix_micros
        assert query.targets.tolist() == list(answer.targets)
        assert np.isfinite(query.features).all()
        assert len(query.items) == len(query.features) == len(set(query.items.tolist()))


@pytest.mark.parametrize(
    ("log", "question"), [(walks(), "next-item"), (baskets(), "next-order"), (lists(), "shown-list")]
)
def test_compiled_functions_and_numpy_give_the_same_rows(log, question):
    plan, compiled = asked(log, question)
    assert kernels() is not None
    with numpy_only():
        _, by_numpy = asked(log, question, plan)
        assert kernels() is None
    assert len(compiled) == len(by_numpy)
    for (_, found), (_, expected) in zip(compiled, by_numpy, strict=True):
        assert found.items.tolist() == expected.items.tolist()
        assert found.sources.tolist() == expected.sources.tolist()
        assert found.features.tobytes() == expected.features.tobytes()


def test_the_answer_is_not_in_the_question():
    """An order is asked for before it is folded: its items are known only if they were bought before."""
    log = baskets()
    plan, found = asked(log, "next-order")
    for (_, query), answer in zip(found, (*plan.fit, *plan.test), strict=True):
        before = {
            digest_number(one.item_id)
            for event in log[: answer.place]
            if event.user_id == log[answer.place].user_id
            for one in event.items
        }
        assert set(query.known.tolist()) == set(query.bought.tolist()) == before


def test_next_items_are_asked_for_beside_the_current_one():
    log = walks()
    plan, found = asked(log, "next-item")

    for (_, query), answer in zip(found, (*plan.fit, *plan.test), strict=True):
        current = digest_number(log[answer.place].items[0].item_id)
        assert query.items[query.is_current].tolist() in ([current], [])
        assert current not in query.targets.tolist()
        assert query.session[0] == current


def test_a_list_is_ranked_as_it_was_shown_and_with_items_that_nobody_knows():
    log = lists()
    plan = make_plan(survey(log), OPTIONS, "shown-list")
    place = plan.test[0].place
    strange = Item("never seen before")
    log[place] = type(log[place])(
        log[place].event_id,
        log[place].type,
        log[place].user_id,
        log[place].event_time_unix_micros,
        items=(*log[place].items, strange),
    )
    query = next(query for part, query in LogReplay(plan, bucket_seconds=60).queries(log) if part == "test")

    assert query.items.tolist() == [digest_number(one.item_id) for one in log[place].items]
    assert query.positions.tolist() == list(range(1, 10))
    assert query.features[:, PLACES["position"]].tolist() == list(range(1, 10))
    assert np.isfinite(query.features).all()


def test_an_item_is_unknown_before_the_catalogue_has_it():
    log = walks()
    late = log[len(log) * 5 // 6].event_time_unix_micros
    plan = make_plan(survey(log), OPTIONS, "next-item")
    catalogue = [
        CatalogueChange("early", first_seen_unix_micros=START - DAY),
        CatalogueChange("late", category="category-0", first_seen_unix_micros=late),
        CatalogueChange("item-1", first_seen_unix_micros=late + 999 * DAY, category="other"),
    ]
    replay = LogReplay(plan, bucket_seconds=60, catalogue=DatedCatalogue(catalogue))
    seen = []
    for _, query in replay.queries(log):
        early, later = replay.items.rows_of([item_number("early"), item_number("late")])
        assert early != UNKNOWN
        assert (later != UNKNOWN) == (
            replay.items.epoch * replay.items.bucket_micros >= late - late % replay.items.bucket_micros
        )
        seen.append(item_number("late") in query.items.tolist())

    assert any(seen)
    assert not seen[0]
    columns = replay.items
    row, early = columns.rows_of([item_number("item-1"), item_number("early")])
    assert columns.categories[row] == columns.category_code("other")  # known since an event names the item
    assert columns.first_seen_unix_micros[early] == START - DAY


def test_of_an_item_without_anything_known_the_category_is_unknown():
    log = walks(plain=True)
    _, found = asked(log, "next-item")

    assert all((query.categories == 0).all() for _, query in found)
    assert item(1, plain=True).category == ""
