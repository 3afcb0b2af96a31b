from __future__ import annotations

import grpc
import pytest

from presage.v1 import ranking_service_pb2
from presage_featurizer import EventType
from presage_training.errors import TrainingError
from presage_training.simulator import Shop, simulate_lists
from presage_training.simulator.lists import ItemList, ListedItem, ListRequest
from presage_training.traffic.live_lists import LiveLists
from support.scripted_servicer import Abort, ScriptedServicer, serving

START_UNIX_MICROS = 1_735_689_600_000_000
REQUEST = ListRequest(
    user_id="u-1", session_id="s-1", unix_micros=START_UNIX_MICROS, k=2, budget_micros=12_500_000, anchor_item_id="lamp"
)


@pytest.fixture
def servicer():
    return ScriptedServicer()


@pytest.fixture
def lists(servicer):
    with serving(servicer) as target, LiveLists(target, model="m", placement="home") as lists:
        yield lists


def test_a_list_is_what_the_server_ranks_at_that_moment(lists, servicer):
    ranked = [ranking_service_pb2.RankedItem(item_id=name, propensity=odds) for name, odds in (("a", 0.5), ("b", 1.0))]
    servicer.script.append(ranking_service_pb2.RankResponse(rank_id="r-1", items=ranked))

    assert lists.rank(REQUEST) == ItemList([ListedItem("a", 0.5), ListedItem("b", 1.0)], "r-1")
    assert servicer.requests("Rank") == [
        ranking_service_pb2.RankRequest(
            user_id="u-1",
            session_id="s-1",
            model="m",
            k=2,
            context=ranking_service_pb2.RankContext(placement="home", budget=12.5, anchor_item_id="lamp"),
            as_of_unix_micros=START_UNIX_MICROS,
        )
    ]


def test_a_failed_call_is_told_in_one_line(lists, servicer):
    servicer.script.append(Abort(grpc.StatusCode.NOT_FOUND, "no ranking model"))
    with pytest.raises(TrainingError, match=r"a call failed: .*no ranking model"):
        lists.rank(REQUEST)


def test_every_event_of_the_simulation_is_tracked_before_the_lists_that_follow_it(servicer):
    shop = Shop.create(seed=3)
    item_ids = sorted(shop.by_id)

    def rank(request, context):
        items = [ranking_service_pb2.RankedItem(item_id=item_id, propensity=1) for item_id in item_ids[: request.k]]
        return servicer._answer("Rank", request, context, ranking_service_pb2.RankResponse(rank_id="r", items=items))

    servicer.Rank = rank
    with serving(servicer) as target, LiveLists(target) as lists:
        simulation = simulate_lists(lists, shop=shop, seed=3, visitors=5, start_unix_micros=START_UNIX_MICROS, days=3)

    tracked = [request.event for request in servicer.requests("TrackEvent")]
    assert sorted(event.event_id for event in tracked) == sorted(event.event_id for event in simulation.events)
    impressions = [event for event in tracked if event.type == EventType.VIEW_ITEM_LIST]
    assert len(impressions) == len(servicer.requests("Rank")) > 0
    for event in impressions:
        shown = [(item.item_id, item.position, item.rank_id, item.propensity) for item in event.items]
        assert shown == [(item_id, place, "r", 1.0) for place, item_id in enumerate(item_ids[:10], 1)]
    newest = {}
    for call in servicer.received:
        if call.method == "TrackEvent":
            newest[call.request.event.user_id] = call.request.event.event_time_unix_micros
        else:
            assert call.request.as_of_unix_micros == newest[call.request.user_id]
