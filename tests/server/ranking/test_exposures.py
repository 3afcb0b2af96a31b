"""What the event log has of rankings: enough to compute each again, bit for bit."""

from __future__ import annotations

import random

import numpy as np
import pytest

from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer.event_log import Exposure, decode_exposure
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.placements import Placements
from presage_featurizer.ranking.workspace import Workspace
from presage_training.ranking.recomputing import Recomputed, recompute
from support.pipelines import LocalCall, local_pipeline
from support.rankings import ITEMS, VISITORS, a_shop, item_id
from support.stores import opened, run_until

PLACEMENTS = Placements.parse(
    """
[everywhere]
max_per_category = 4

[home]
diversity = 0.3
exploration = { slots = [2, 5], epsilon = 0.5 }

[cart]
cheaper_alternatives = 3
freshness_boost = { places = 5, half_life_days = 7 }
exploration = { slots = [3], method = "thompson" }
""",
    "placements.toml",
)


@pytest.fixture
def server(shop_store, ranking_models, shop):
    with (
        opened(shop_store) as view,
        local_pipeline(
            view, ranking_models, items=shop.columns, placements=PLACEMENTS, exposures_share=1.0, share=0.5
        ) as local,
    ):
        yield local


def exposures_of(server, store, user_ids) -> list[Exposure]:
    run_until(server.link, lambda: not server.link.pending)
    entries = [entry for user_id in sorted(set(user_ids)) for entry in store.stream(user_id)]
    return [decode_exposure(entry[b"exposure"]) for entry in entries if b"exposure" in entry]


def a_request(rng: random.Random) -> pb.RankRequest | pb.NextItemsRequest:
    context = pb.RankContext(
        placement=rng.choice(["", "home", "cart"]),
        anchor_item_id=rng.choice(["", item_id(7), "unknown"]),
        exclude=rng.sample([1, 2, 3, 4], rng.randrange(3)),
    )
    if rng.random() < 0.5:
        context.budget = rng.choice([0.0, 60.0, 250.0])
    if rng.random() < 0.3:
        context.filter.max_price = 120.0
    fields = {
        "user_id": f"visitor-{rng.randrange(VISITORS + 2)}",
        "as_of_unix_micros": a_shop().now_unix_micros + rng.randrange(3_000_000_000),
        "context": context,
    }
    if rng.random() < 0.3:
        return pb.NextItemsRequest(k=rng.choice([0, 8]), **fields)
    request = pb.RankRequest(**fields)
    if rng.random() < 0.6:
        ids = [item_id(number) for number in rng.sample(range(ITEMS), 60)] + ["cold-1", "cold-2"]
        rng.shuffle(ids)
        request.candidate_ids.extend(ids[: rng.choice([1, 20, 62])])
    else:
        request.k = rng.choice([0, 5, 100])
    return request


def replayed(exposure: Exposure, model) -> Recomputed:
    shop = a_shop()
    number = int(exposure.user_id.removeprefix("visitor-"))
    state = shop.state_of(exposure.user_id) if number < VISITORS else None
    return recompute(
        exposure,
        state,
        ItemFeatures(shop.columns),
        shop.tables.bound(shop.columns),
        score=model.scores,
        placement=PLACEMENTS[exposure.placement],
        workspace=Workspace(),
    )


def test_each_logged_ranking_can_be_computed_again_bit_for_bit(server, shop_store, ranking_models):
    rng = random.Random(3)
    requests = [a_request(rng) for _ in range(150)]
    calls = [LocalCall(request) for request in requests]
    for start in range(0, len(calls), 25):
        server.run(*calls[start : start + 25])
    responses = {call.response.rank_id: call.response for call in calls}
    exposures = exposures_of(server, shop_store, [request.user_id for request in requests])
    assert {exposure.rank_id for exposure in exposures} == set(responses)
    with_features = 0
    for exposure in exposures:
        assert exposure.epoch == a_shop().columns.epoch
        again = replayed(exposure, ranking_models.ranking(""))
        assert again.differences(exposure) == []
        with_features += bool(exposure.features)
        response = responses[exposure.rank_id]
        assert np.frombuffer(exposure.scores, "<f8")[exposure.order].tolist() == [item.score for item in response.items]
        assert np.frombuffer(exposure.propensities, "<f8").tolist() == [item.propensity for item in response.items]
        assert [list(names) for names in exposure.rules] == [list(item.rules) for item in response.items]
    assert 40 < with_features < 110
    assert any(item.propensity < 1 for response in responses.values() for item in response.items)
    assert server.counted("presage_exposures_total", outcome="logged", reason="") == len(exposures)


def test_a_preview_is_the_same_list_but_neither_counted_nor_logged(server, shop_store, ranking_models):
    ids = [item_id(number) for number in range(30)] + ["cold-1"]
    request = pb.RankRequest(user_id="visitor-3", candidate_ids=ids)
    preview = pb.RankRequest(user_id="visitor-3", candidate_ids=ids, preview=True)

    def counted() -> list[float]:
        version = ranking_models.ranking("").version
        labelled = {
            "presage_version_scores_total": {"model": "ranking", "version": version, "arm": "none"},
            "presage_candidates_count": {"found_by": "caller"},
        }
        return [
            server.counted("presage_rankings_total", history="known"),
            server.counted("presage_cold_items_total"),
            *(server.metrics.registry.get_sample_value(name, labels) or 0 for name, labels in labelled.items()),
        ]

    previewed = server.answer(preview)
    assert counted() == [0, 0, 0, 0]
    shown = server.answer(request)
    assert all(counted())
    assert [item.item_id for item in previewed.items] == [item.item_id for item in shown.items]
    assert [exposure.rank_id for exposure in exposures_of(server, shop_store, ["visitor-3"])] == [shown.rank_id]


def test_a_replay_tells_when_something_was_different(server, shop_store, ranking_models):
    server.answer(pb.RankRequest(user_id="visitor-3", candidate_ids=[item_id(number) for number in range(30)]))
    (exposure,) = exposures_of(server, shop_store, ["visitor-3"])
    shop = a_shop()
    other = recompute(
        exposure,
        shop.state_of("visitor-4"),
        ItemFeatures(shop.columns),
        shop.tables.bound(shop.columns),
        score=ranking_models.ranking("").scores,
        placement=PLACEMENTS[""],
        workspace=Workspace(),
    )
    assert "scores" in other.differences(exposure)


def test_a_share_of_rankings_is_logged(shop_store, ranking_models, shop):
    with (
        opened(shop_store) as view,
        local_pipeline(view, ranking_models, items=shop.columns, exposures_share=0.3) as local,
    ):
        for _ in range(200):
            local.answer(pb.RankRequest(user_id="visitor-3", k=2))
        logged = exposures_of(local, shop_store, ["visitor-3"])
    assert 30 < len(logged) < 100
    assert all(not exposure.features for exposure in logged)


def test_a_ranking_is_no_event(server, shop_store):
    """It changes nothing of the visitor, and counts as no impression."""
    before = shop_store.blob("visitor-3")
    server.answer(pb.RankRequest(user_id="visitor-3"))
    exposures_of(server, shop_store, ["visitor-3"])
    assert shop_store.blob("visitor-3") == before
    assert all(b"event" not in entry for entry in shop_store.stream("visitor-3"))
