"""Lists ranked for visitors: what is in them, in which order, and what is said of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from presage.v1 import ranking_service_pb2 as pb
from presage.v1.scoring_service_pb2 import GetFeaturesRequest
from presage_featurizer import EventType
from presage_featurizer.ranking.assembling import Circumstances, context_of, digest_numbers
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.pairs import pair_features
from presage_featurizer.ranking.workspace import Workspace
from presage_server.models.ranking import RankingModel
from support.pipelines import LocalCall
from support.rankings import ITEMS, a_shop, item_id


def rank(user_id: str = "visitor-1", **fields: Any) -> pb.RankRequest:
    return pb.RankRequest(**({"user_id": user_id, "as_of_unix_micros": a_shop().now_unix_micros} | fields))


def candidates(*numbers: int) -> list[str]:
    return [item_id(number) for number in numbers]


def expected_order(model: RankingModel, user_id: str, item_ids: list[str]) -> tuple[list[str], list[float]]:
    """Rank candidates as the contract says: by the model's score, and where it ties, by digest."""
    shop = a_shop()
    features = ItemFeatures(shop.columns)
    context = context_of(
        shop.state_of(user_id),
        Circumstances(shop.now_unix_micros),
        features,
        shop.tables.bound(shop.columns),
        Workspace(),
    )
    numbers = digest_numbers(item_ids)
    rows = pair_features(context.resolve(numbers), context, np.arange(1, len(item_ids) + 1))
    scores = model.scores(rows).tolist()
    order = sorted(range(len(scores)), key=lambda place: (-scores[place], numbers[place]))
    return [item_ids[place] for place in order], [scores[place] for place in order]


def test_given_candidates_come_in_the_order_of_the_models_scores(server, ranking_models):
    given = candidates(*range(3, 103))
    response = server.answer(rank(candidate_ids=given, k=100))
    ids, scores = expected_order(ranking_models.ranking(""), "visitor-1", given)
    assert [item.item_id for item in response.items] == ids
    assert [item.score for item in response.items] == scores
    assert len(set(scores)) > 20, "a model that cannot tell items apart tests nothing"
    assert {item.source for item in response.items} == {pb.ITEM_SOURCE_CANDIDATE}
    assert {item.propensity for item in response.items} == {1.0}
    basis = response.basis
    assert (basis.model, basis.model_version, basis.epoch) == ("ranking", "1", a_shop().columns.epoch)
    assert (basis.cold_start, basis.degraded, basis.no_session) == (False, False, False)
    assert len(response.rank_id) == 32
    assert response.intent != pb.INTENT_UNSPECIFIED


def test_the_list_has_k_items_or_all_candidates_or_twenty(server):
    given = candidates(*range(60))
    assert len(server.answer(rank(candidate_ids=given)).items) == len(given)
    assert len(server.answer(rank(candidate_ids=given[:7])).items) == 7
    assert len(server.answer(rank(candidate_ids=given, k=33)).items) == 33
    assert len(server.answer(rank()).items) == 20


def test_candidates_are_found_where_none_are_given(server):
    response = server.answer(rank(k=50))
    assert len({item.item_id for item in response.items}) == len(response.items) == 50
    assert pb.ITEM_SOURCE_HISTORY in {item.source for item in response.items}
    assert pb.ITEM_SOURCE_CANDIDATE not in {item.source for item in response.items}
    scores = [item.score for item in response.items]
    assert scores == sorted(scores, reverse=True)


def test_candidates_that_the_catalogue_does_not_know_are_ranked_and_marked(server, ranking_models):
    given = [*candidates(1, 2, 3), "never-heard-of", "nor-of-this"]
    response = server.answer(rank(candidate_ids=given))
    assert {item.item_id for item in response.items if item.cold} == {"never-heard-of", "nor-of-this"}
    assert [item.item_id for item in response.items] == expected_order(ranking_models.ranking(""), "visitor-1", given)[
        0
    ]


def test_a_visitor_without_history_gets_a_list(server):
    response = server.answer(rank("nobody", k=10))
    assert len(response.items) == 10
    assert {item.source for item in response.items} == {pb.ITEM_SOURCE_POPULAR}
    assert response.basis.cold_start
    assert response.basis.no_session
    assert response.intent == pb.INTENT_UNSPECIFIED


def test_features_are_those_of_the_model_in_its_order(server, ranking_models):
    (item,) = server.answer(rank(candidate_ids=candidates(5), include_features=True)).items
    assert item.features.feature_set == "ranking"
    assert list(item.features.names) == list(ranking_models.ranking("").features)
    assert ranking_models.ranking("").scores(np.array([item.features.values], np.float32)).tolist() == [item.score]


def test_timings_are_there_on_request(server):
    timings = server.answer(rank(candidate_ids=candidates(5), include_timings=True)).timings
    assert timings.total_micros > timings.model_micros > 0
    assert timings.featurize_micros > 0
    assert not server.answer(rank()).HasField("timings")


def test_rankings_of_one_batch_do_not_depend_on_each_other(server):
    requests = [
        rank(f"visitor-{number}", candidate_ids=candidates(*range(number, number + 30)), k=30) for number in range(12)
    ]
    alone = [list(server.answer(request).items) for request in requests]
    calls = [LocalCall(request) for request in requests]
    server.run(*calls)
    assert [list(call.response.items) for call in calls] == alone


def test_a_large_request_is_scored_in_parts_and_equals_the_whole(server, ranking_models):
    given = [f"other-{number}" for number in range(800)] + candidates(*range(200))
    response = server.answer(rank(candidate_ids=given, k=1_000))
    ids, scores = expected_order(ranking_models.ranking(""), "visitor-1", given)
    assert [item.item_id for item in response.items] == ids
    assert [item.score for item in response.items] == scores


def test_small_calls_do_not_wait_for_a_large_ranking(server):
    heavies = [LocalCall(rank(candidate_ids=[f"other-{number}" for number in range(1_000)]))]
    heavies += [LocalCall(rank(candidate_ids=candidates(*range(100)))) for _ in range(6)]
    reads = [
        LocalCall(GetFeaturesRequest(user_id=f"visitor-{number}", feature_set="conversion")) for number in range(3)
    ]
    server.run(*heavies, *reads)
    assert max(call.replied_at for call in reads) < min(call.replied_at for call in heavies)


def test_what_is_excluded_is_left_out(server, shop):
    state = shop.state_of("visitor-1")
    seen = {item.item_id for event in shop.events if event.user_id == "visitor-1" for item in event.items}
    everything = candidates(*range(ITEMS))
    last = [event for event in shop.events if event.user_id == "visitor-1"][-1].items[0].item_id
    in_cart = set(state.cart)

    def left_out(*exclude: pb.Exclusion) -> set[str]:
        context = pb.RankContext(exclude=exclude)
        response = server.answer(rank(candidate_ids=everything, k=ITEMS, context=context))
        return set(everything) - {item.item_id for item in response.items}

    assert left_out() == set()
    assert left_out(pb.EXCLUSION_CURRENT) == {last}
    assert left_out(pb.EXCLUSION_SESSION) <= seen
    assert last in left_out(pb.EXCLUSION_SESSION)
    assert left_out(pb.EXCLUSION_CART) == in_cart
    bought = {
        item.item_id
        for event in shop.events
        if event.user_id == "visitor-1" and event.type == EventType.PURCHASE
        for item in event.items
    }
    assert left_out(pb.EXCLUSION_BOUGHT) == bought


def test_all_items_meet_the_conditions(server, shop):
    for number in range(0, 30, 7):
        condition = pb.ItemFilter(
            categories=["category-1", "category-3"], brands=["brand-2"], min_price=20, max_price=150
        )
        context = pb.RankContext(filter=condition)
        for request in (
            rank(f"visitor-{number}", context=context, k=5),
            rank(f"visitor-{number}", context=context, candidate_ids=candidates(*range(ITEMS)), k=5),
        ):
            items = server.answer(request).items
            assert items
            for item in items:
                place = int(item.item_id.removeprefix("item-"))
                assert place % 8 in {1, 3}
                assert place % 5 == 2
                assert 20 <= item.price <= 150
    nothing = pb.RankContext(filter=pb.ItemFilter(tags=["none has it"]))
    assert not server.answer(rank(context=nothing)).items


def test_what_is_excluded_makes_no_list_shorter(server, shop):
    context = pb.RankContext(exclude=[pb.EXCLUSION_SESSION, pb.EXCLUSION_BOUGHT])
    known = candidates(*range(ITEMS))
    left = {item.item_id for item in server.answer(rank(candidate_ids=known, k=ITEMS, context=context)).items}
    left &= set(shop.columns.ids)
    assert len(left) < len(shop.columns)
    for k in (100, len(left), ITEMS):
        response = server.answer(rank(k=k, context=context))
        assert len(response.items) == min(k, len(left))
        assert {item.item_id for item in response.items} <= left


def test_next_items_are_filled_up_without_the_current_one(server, shop):
    last = [event for event in shop.events if event.user_id == "visitor-1"][-1].items[0].item_id
    request = pb.NextItemsRequest(user_id="visitor-1", as_of_unix_micros=shop.now_unix_micros, k=ITEMS)
    response = server.answer(request)
    assert {item.item_id for item in response.items} == set(shop.columns.ids) - {last}


def test_next_items_leave_out_the_current_one(server, shop):
    last = [event for event in shop.events if event.user_id == "visitor-1"][-1].items[0].item_id
    request = pb.NextItemsRequest(user_id="visitor-1", as_of_unix_micros=shop.now_unix_micros, k=30)
    response = server.answer(request)
    assert response.items
    assert last not in {item.item_id for item in response.items}
    assert response.basis.model == "ranking"


def test_metrics_count_rankings(server):
    server.answer(rank(candidate_ids=candidates(1, 2, 3)))
    server.answer(rank("nobody", candidate_ids=["unknown"]))
    assert server.counted("presage_rankings_total", history="known") == 1
    assert server.counted("presage_rankings_total", history="none") == 1
    assert server.counted("presage_cold_items_total") == 1
    assert server.counted("presage_candidates_bucket", found_by="caller", le="5") == 2


def test_similar_items_share_sessions_or_the_category(server, shop):
    response = server.answer(pb.SimilarItemsRequest(item_id=shop.columns.ids[3], k=10))
    assert len(response.items) == 10
    assert not response.cold
    assert shop.columns.ids[3] not in {item.item_id for item in response.items}
    scores = [item.score for item in response.items]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 0
    cheap = server.answer(pb.SimilarItemsRequest(item_id=shop.columns.ids[3], filter=pb.ItemFilter(max_price=50)))
    assert all(0 < item.price <= 50 for item in cheap.items)
    unknown = server.answer(pb.SimilarItemsRequest(item_id="never-heard-of"))
    assert unknown.cold
    assert not unknown.items
