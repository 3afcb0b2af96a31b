"""A small shop behind a real server: what the benchmark asks of it, and how it finds wrong answers."""

from __future__ import annotations

import pytest

from benchmarks.ranking.calls import CANDIDATES, SCENARIOS, rank_calls
from benchmarks.ranking.serving import _check, copy_models
from benchmarks.ranking.world import make_world
from benchmarks.rig.visitors import user_id
from presage.v1 import ranking_service_pb2
from presage_featurizer import MICROS

ITEMS, VISITORS = 1_000, 60


@pytest.fixture(scope="module")
def world():
    return make_world(ITEMS, VISITORS, end_unix_micros=1_790_000_000 * MICROS)


def test_all_items_are_known_and_all_events_are_counted(world):
    columns = world.columns

    assert len(columns) == ITEMS
    assert columns.sums[-1, :, :ITEMS].sum() == len(world.events)
    assert len(world.states) == len(world.users) == len(world.seen) == VISITORS


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_calls_are_the_same_on_every_run_and_about_the_visitors_whose_states_they_got(scenario, world):
    visitors = 3 * VISITORS
    calls = list(rank_calls(scenario, world, visitors))
    requests = [ranking_service_pb2.RankRequest.FromString(request) for _, request in calls]

    assert calls == list(rank_calls(scenario, world, visitors))
    assert {method for method, _ in calls} == {"Rank"}
    assert all(len(set(request.candidate_ids)) in {0, CANDIDATES} for request in requests)
    numbers = {user_id(number): number for number in range(visitors)}
    for request in requests[:50]:
        own = {f"item-{number:07d}" for number in world.seen[numbers[request.user_id] % VISITORS]}
        assert not request.candidate_ids or own & set(request.candidate_ids)


def test_a_models_folder_has_the_shipped_model_of_scores_and_one_that_ranks_the_shop(world, tmp_path):
    models = copy_models(tmp_path / "models")
    make_world(200, 10, end_unix_micros=world.shop.end_unix_micros).write_bundle(models)

    assert {path.parent.parent.name for path in models.glob("*/*/manifest.json")} == {"conversion", "ranking"}


def test_a_wrong_ranking_is_named():
    request = ranking_service_pb2.RankRequest(user_id="u", candidate_ids=["a", "b"], k=2)

    def response(*items, epoch=5, **basis):
        ranked = [ranking_service_pb2.RankedItem(item_id=item, score=score, cold=item == "c") for item, score in items]
        found = ranking_service_pb2.RankingBasis(epoch=epoch, **basis)
        return ranking_service_pb2.RankResponse(items=ranked, basis=found)

    _check(request, response(("b", 2.0), ("a", 1.0)))
    for wrong, name in (
        (response(("a", 2.0)), "items"),
        (response(("a", 2.0), ("c", 1.0)), "candidates, cold"),
        (response(("a", 1.0), ("b", 2.0)), "order"),
        (response(("b", 2.0), ("a", 1.0), cold_start=True), "basis"),
        (response(("b", 2.0), ("a", 1.0), epoch=0), "basis"),
    ):
        with pytest.raises(RuntimeError, match=f"is wrong in {name}:"):
            _check(request, wrong)
