from __future__ import annotations

import pytest
from training.simulator.world import START_UNIX_MICROS

from presage_export.bundle.ranking import load_ranking_bundle
from presage_featurizer import MICROS, EventType
from presage_training.ranking.model_lists import ModelLists
from presage_training.ranking.regret import measure_lists
from presage_training.simulator import ItemList, ListRequest, RandomLists, Shop, simulate_lists
from support.rankings import write_ranking_bundle

SHOP = Shop.create(seed=5)
VISITORS, DAYS = 150, 4


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    write_ranking_bundle(models)
    return load_ranking_bundle(models / "ranking" / "1")


def run(source):
    return simulate_lists(source, shop=SHOP, seed=5, visitors=VISITORS, start_unix_micros=START_UNIX_MICROS, days=DAYS)


@pytest.fixture(scope="module")
def simulation(bundle):
    return run(ModelLists(bundle, SHOP))


def test_the_same_visitors_get_the_same_lists(bundle, simulation):
    assert run(ModelLists(bundle, SHOP)) == simulation


def test_even_a_model_of_another_shop_regrets_less_than_chance(simulation):
    """What it finds by category, brand and price is worth something in any shop."""
    measured = measure_lists(
        {"model": simulation.lists, "random": run(RandomLists(SHOP, seed=5)).lists}, seed=1, draws=200
    )
    assert measured["random"].difference(measured["model"], "regret").low > 0.0


def test_lists_are_of_the_items_that_the_visitor_looks_at(bundle, simulation):
    lists = ModelLists(bundle, SHOP)
    views = [event for event in simulation.events if event.type is EventType.VIEW_ITEM]
    for event in views:
        lists.add(event)
    last = views[-1]
    request = ListRequest(
        user_id=last.user_id,
        session_id=last.session_id,
        unix_micros=last.event_time_unix_micros + MICROS,
        k=10,
        budget_micros=100 * MICROS,
    )
    of_visitor = lists.rank(request)
    somebody = ListRequest(user_id="somebody", session_id="", unix_micros=request.unix_micros, k=10, budget_micros=1)

    def same_category(found: ItemList) -> int:
        return sum(SHOP.by_id[listed.item_id].item.category == last.items[0].category for listed in found.items)

    assert same_category(of_visitor) > same_category(lists.rank(somebody))


def test_a_shop_that_nothing_is_known_of_has_no_list(bundle):
    request = ListRequest(user_id="u", session_id="", unix_micros=START_UNIX_MICROS, k=10, budget_micros=1)
    assert ModelLists(bundle, SHOP).rank(request).items == []
