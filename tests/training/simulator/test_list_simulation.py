from __future__ import annotations

import hashlib
from collections import defaultdict

import msgspec
import numpy as np
import pytest
from training.simulator.world import DAY_MICROS, SEED, START_UNIX_MICROS

from presage_featurizer.events import Event, EventType
from presage_training.ranking.regret import measure_lists
from presage_training.simulator import (
    ItemList,
    ListedItem,
    ListRequest,
    PopularLists,
    RandomLists,
    Shop,
    create_visitor,
    simulate_lists,
)
from presage_training.simulator.tastes import Need, create_taste

VISITORS, DAYS = 300, 14
SHOP = Shop.create(seed=SEED)


class KnowingLists:
    """Knows every taste, but not what a visitor came for today, nor what they have."""

    def __init__(self) -> None:
        self._lists = {}
        for index in range(VISITORS):
            visitor = create_visitor(seed=SEED, index=index)
            taste = create_taste(visitor)
            liked = taste.utilities(SHOP.by_id.values(), Need("", 0, ()))
            self._lists[visitor.user_id] = sorted(liked, key=liked.__getitem__, reverse=True)

    def add(self, event) -> None:
        pass

    def rank(self, request):
        return ItemList([ListedItem(item_id) for item_id in self._lists[request.user_id][: request.k]], "known")


class Recording:
    """Notes what another source is told, and asked."""

    def __init__(self, source) -> None:
        self.source, self.calls = source, []

    def add(self, event) -> None:
        self.calls.append(event)
        self.source.add(event)

    def rank(self, request):
        self.calls.append(request)
        return self.source.rank(request)


def run(source, **change):
    arguments = {"seed": SEED, "visitors": VISITORS, "start_unix_micros": START_UNIX_MICROS, "days": DAYS} | change
    return simulate_lists(source, shop=SHOP, **arguments)


@pytest.fixture(scope="module")
def recorded():
    recording = Recording(RandomLists(SHOP, seed=1))
    return recording, run(recording)


def digest(simulation) -> str:
    return hashlib.sha256(msgspec.msgpack.encode(simulation.events) + repr(simulation.lists).encode()).hexdigest()


def test_the_same_seed_gives_the_same_events_and_lists(recorded):
    assert digest(run(RandomLists(SHOP, seed=1))) == digest(recorded[1])
    assert digest(run(RandomLists(SHOP, seed=2))) != digest(recorded[1])


def test_without_session_ids_nothing_else_differs(recorded):
    anonymous = run(RandomLists(SHOP, seed=1), session_ids=False)

    assert anonymous.lists == recorded[1].lists
    assert anonymous.events == [msgspec.structs.replace(event, session_id="") for event in recorded[1].events]


def test_events_are_in_the_order_of_time_and_within_the_days(recorded):
    times = [event.event_time_unix_micros for event in recorded[1].events]

    assert times == sorted(times)
    assert START_UNIX_MICROS <= times[0] < times[-1] < START_UNIX_MICROS + (DAYS + 1) * DAY_MICROS
    assert len({event.event_id for event in recorded[1].events}) == len(times)
    assert len({event.user_id for event in recorded[1].events}) == VISITORS


def test_impressions_say_what_was_shown_where_by_which_list(recorded):
    recording, simulation = recorded
    shown = {
        event.items[0].shown.rank_id: event for event in simulation.events if event.type is EventType.VIEW_ITEM_LIST
    }

    assert list(shown) != []
    assert set(shown) == {each.rank_id for each in simulation.lists}
    for event in shown.values():
        assert [item.shown.position for item in event.items] == list(range(1, 11))
        assert {item.shown.propensity for item in event.items} == {1 / len(SHOP.by_id)}
    for each in simulation.lists:
        assert (shown[each.rank_id].user_id, shown[each.rank_id].event_time_unix_micros) == (
            each.user_id,
            each.unix_micros,
        )
    assert sum(not isinstance(call, Event) for call in recording.calls) == len(shown)


def test_picks_are_of_the_list_that_was_shown(recorded):
    simulation = recorded[1]
    chosen = {each.rank_id: each.chosen for each in simulation.lists if each.chosen is not None}
    picked = [event.items[0] for event in simulation.events if event.type is EventType.SELECT_ITEM]

    assert {item.shown.rank_id: item.shown.position - 1 for item in picked} == chosen
    shown = {
        (item.shown.rank_id, item.item_id)
        for event in simulation.events
        if event.type is EventType.VIEW_ITEM_LIST
        for item in event.items
    }
    assert {(item.shown.rank_id, item.item_id) for item in picked} <= shown


def test_the_source_hears_of_every_event_before_it_is_asked_again(recorded):
    recording, simulation = recorded
    events = [call for call in recording.calls if isinstance(call, Event)]

    assert sorted(event.event_id for event in events) == sorted(event.event_id for event in simulation.events)
    newest = {}
    for call in recording.calls:
        if isinstance(call, Event):
            newest[call.user_id] = call
        else:
            assert newest[call.user_id].event_time_unix_micros == call.unix_micros
            assert newest[call.user_id].session_id == call.session_id


def test_orders_hold_what_is_in_the_cart(recorded):
    carts = defaultdict(set)
    for event in recorded[1].events:
        items = {item.item_id for item in event.items}
        if event.type is EventType.ADD_TO_CART:
            carts[event.user_id] |= items
        elif event.type is EventType.PURCHASE:
            assert items == carts.pop(event.user_id)


def test_the_better_a_source_knows_its_visitors_the_less_regret():
    lists = {
        "random": run(RandomLists(SHOP, seed=1)).lists,
        "popular": run(PopularLists(SHOP)).lists,
        "known": run(KnowingLists()).lists,
    }
    measured = measure_lists(lists, seed=1, draws=200)

    for worse, better in (("random", "popular"), ("popular", "known")):
        assert measured[worse].difference(measured[better], "regret").low > 0.0
        assert measured[better].difference(measured[worse], "worth").low > 0.0
        assert measured[better].difference(measured[worse], "chosen").value > 0.0


def test_metrics_are_means_over_lists_and_draws_are_of_visitors(recorded):
    lists = recorded[1].lists
    found = measure_lists({"random": lists}, seed=1, draws=50)["random"].metrics()

    assert found["regret"].value == pytest.approx(np.mean([each.regret for each in lists]))
    assert found["worth"].value == pytest.approx(np.mean([each.worth for each in lists]))
    assert found["chosen"].value == pytest.approx(np.mean([each.chosen is not None for each in lists]))
    assert found["regret"].low < found["regret"].value < found["regret"].high
    one_visitor = [each for each in lists if each.user_id == lists[0].user_id]
    assert measure_lists({"random": one_visitor}, seed=1, draws=50)["random"].metrics()["regret"].low == pytest.approx(
        np.mean([each.regret for each in one_visitor])
    )


def test_a_ranker_that_showed_nothing_is_named():
    with pytest.raises(ValueError, match="'popular'"):
        measure_lists({"popular": []}, seed=1)


@pytest.mark.parametrize(
    "item_ids", [["audio-000", "audio-000"], ["nothing"], [f"audio-{number:03d}" for number in range(11)]]
)
def test_an_invalid_list_is_refused(item_ids):
    class Bad(RandomLists):
        def rank(self, _):
            return ItemList([ListedItem(item_id) for item_id in item_ids])

    with pytest.raises(ValueError, match=r"^expected "):
        run(Bad(SHOP, seed=1))


def test_an_empty_list_is_no_impression_and_all_that_could_have_been_is_regretted():
    class Empty(RandomLists):
        def rank(self, _):
            return ItemList([])

    simulation = run(Empty(SHOP, seed=1), visitors=20)
    assert {(each.worth, each.chosen) for each in simulation.lists} == {(0.0, None)}
    assert min(each.regret for each in simulation.lists) > 0.0
    assert EventType.VIEW_ITEM_LIST not in {event.type for event in simulation.events}


@pytest.mark.parametrize("argument", [{"visitors": -1}, {"days": 0}, {"start_unix_micros": 0}, {"k": 0}])
def test_an_argument_out_of_range_is_named(argument):
    [name] = argument
    with pytest.raises(ValueError, match=name):
        run(RandomLists(SHOP, seed=1), **argument)


@pytest.mark.parametrize(("days", "is_counted"), [(6.9, True), (7.1, False)])
def test_what_is_popular_is_forgotten_after_a_week(days, is_counted):
    item = SHOP.by_id["toys-003"].item
    lists = PopularLists(SHOP)
    lists.add(Event("e", EventType.VIEW_ITEM, "u", START_UNIX_MICROS, items=(item,)))
    later = START_UNIX_MICROS + round(days * DAY_MICROS)
    request = ListRequest(user_id="u", session_id="", unix_micros=later, k=1, budget_micros=1)

    assert (lists.rank(request).items[0].item_id == "toys-003") == is_counted
