"""Lists in pairs: the other versions score the same candidates once the caller has got the reply, as if they served."""

from __future__ import annotations

import random

import numpy as np
import pytest

from presage.v1 import ranking_service_pb2 as pb
from presage_export.registry import Aliases, Arm, assign
from presage_featurizer.event_log import decode_exposure
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.placements import Placements
from presage_featurizer.ranking.tables import RankingTables
from presage_featurizer.ranking.workspace import Workspace
from presage_server.models.ranking import load_ranking_model
from presage_server.models.served import Models, Served
from presage_training.ranking.recomputing import recompute
from presage_training.ranking.tables import TableBuilder
from support.pipelines import LocalCall, local_pipeline
from support.rankings import VISITORS, a_shop, item_id, write_ranking_bundle
from support.stores import opened

ALIASES = Aliases(champion="1", challenger="2", challenger_share=0.4, salt="spring", shadow="3", pairs_share=1.0)
USER_IDS = [f"visitor-{number}" for number in range(VISITORS)]


def early_tables() -> RankingTables:
    shop, builder = a_shop(), TableBuilder()
    for event in shop.events[: len(shop.events) // 2]:
        builder.add(event)
    return builder.build(shop.now_unix_micros)


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    directory = tmp_path_factory.mktemp("versions")
    write_ranking_bundle(directory, version="1")
    write_ranking_bundle(directory, version="2", tables=early_tables())
    write_ranking_bundle(directory, version="3", seed=5)
    return {version: load_ranking_model(directory / "ranking" / version) for version in "123"}


@pytest.fixture
def serve(shop_store, shop, versions):
    def serve(aliases=ALIASES, **options):
        by_alias = {
            alias: versions[version]
            for alias in ("champion", "challenger", "shadow")
            if (version := getattr(aliases, alias))
        }
        models = Models({}, "", ranking={"ranking": Served(**by_alias, aliases=aliases)}, default_ranking="ranking")
        return local_pipeline(view, models, items=shop.columns, **options)

    with opened(shop_store) as view:
        yield serve


@pytest.fixture(params=[lambda _: 1 / 0, lambda rows: np.full(len(rows), np.nan)], ids=["raises", "nan"])
def failing(request, versions, monkeypatch) -> None:
    """Have version 3 fail, one way or the other."""
    monkeypatch.setattr(versions["3"], "scores", request.param)


def exposures_of(server, store, user_ids=USER_IDS):
    server.settle()
    entries = [entry for user_id in user_ids for entry in store.stream(user_id)]
    return [decode_exposure(entry[b"exposure"]) for entry in entries if b"exposure" in entry]


def requests(seed=4):
    rng = random.Random(seed)
    for user_id in [*USER_IDS, "nobody"]:
        if rng.random() < 0.5:
            ids = [item_id(number) for number in rng.sample(range(240), 60)] + ["cold-1", "cold-2"]
            yield pb.RankRequest(user_id=user_id, candidate_ids=ids)
        else:
            yield pb.NextItemsRequest(user_id=user_id, k=8)


def scores_if_served(exposure, version) -> list[float]:
    """The scores of a version for the candidates of an exposure, computed from the visitor's events and its own bundle."""
    shop = a_shop()
    state = None if exposure.user_id == "nobody" else shop.state_of(exposure.user_id)
    scores = recompute(
        exposure,
        state,
        ItemFeatures(shop.columns),
        RankingTables.restore(version.bundle.arrays).bound(shop.columns),
        score=version.scores,
        placement=Placements.default()[""],
        workspace=Workspace(),
    ).scores
    return scores.tolist()


def test_other_versions_score_the_same_candidates_as_if_they_served(serve, shop_store, versions):
    with serve() as server:
        calls = [LocalCall(request) for request in requests()]
        server.run(*calls)
        exposures = exposures_of(server, shop_store, [*USER_IDS, "nobody"])
        assert server.counted("presage_pairs_total", outcome="scored", reason="") == len(calls)
        others = {
            version: server.counted("presage_version_paired_others_total", model="ranking", version=version)
            for version in versions
        }
    assert len(exposures) == len(calls)
    orders_differ = 0
    for exposure in exposures:
        assigned = assign(ALIASES, exposure.user_id)
        assert (exposure.arm, exposure.arm_propensity) == (assigned.arm, assigned.propensity)
        served = "2" if assigned.arm is Arm.CHALLENGER else "1"
        assert exposure.model_version == served
        assert [version for version, _ in exposure.others] == [each for each in versions if each != served]
        for version, encoded in exposure.others:
            scores = np.frombuffer(encoded, "<f8")
            assert scores.tolist() == scores_if_served(exposure, versions[version])
            orders_differ += not (np.diff(scores) <= 0).all()
    assert orders_differ > 10
    assert others["3"] == len(calls)
    assert others["1"] + others["2"] == len(calls)


def test_the_reply_does_not_wait_for_the_other_versions(serve, shop_store, versions, monkeypatch):
    def scores(rows):
        assert call.code is not None, "the caller still waits"
        return np.zeros(len(rows))

    monkeypatch.setattr(versions["3"], "scores", scores)
    with serve(Aliases(champion="1", shadow="3", pairs_share=1.0)) as server:
        call = LocalCall(pb.RankRequest(user_id="visitor-3"))
        server.run(call)
        (exposure,) = exposures_of(server, shop_store)
    assert [(version, set(np.frombuffer(found, "<f8"))) for version, found in exposure.others] == [("3", {0.0})]


@pytest.mark.usefixtures("failing")
def test_a_version_that_fails_costs_no_exposure_and_is_counted(serve, shop_store, caplog):
    with serve(Aliases(champion="1", challenger="2", shadow="3", pairs_share=1.0)) as server:
        for _ in range(3):
            server.answer(pb.RankRequest(user_id="visitor-3"))
        exposures = exposures_of(server, shop_store)
        assert server.counted("presage_version_paired_errors_total", model="ranking", version="3") == 3
    assert [[version for version, _ in exposure.others] for exposure in exposures] == [["2"]] * 3
    assert caplog.text.count("version 3 cannot score lists") == 1


def test_more_lists_than_may_wait_are_logged_without_the_others(serve, shop_store):
    aliases = Aliases(champion="1", shadow="3", pairs_share=1.0)
    with serve(aliases, exposures_share=1.0) as server:
        server.run(*(LocalCall(pb.RankRequest(user_id="visitor-3", k=1)) for _ in range(200)))
        exposures = exposures_of(server, shop_store)
        dropped = server.counted("presage_pairs_total", outcome="dropped", reason="backlog")
    paired = [exposure for exposure in exposures if exposure.others]
    assert dropped > 0
    assert (len(exposures), len(paired)) == (200, 200 - dropped)


def test_work_is_done_in_small_parts_and_waits_while_calls_are_served(serve, versions, monkeypatch):
    ids = [item_id(number) for number in range(240)] + [f"cold-{number}" for number in range(300)]
    rows_at_once = []
    scores = versions["3"].scores

    def counted(rows):
        rows_at_once.append(len(rows))
        return scores(rows)

    monkeypatch.setattr(versions["3"], "scores", counted)
    with serve(Aliases(champion="1", shadow="3", pairs_share=1.0)) as server:
        lists = server.lists
        call = LocalCall(pb.RankRequest(user_id="visitor-3", candidate_ids=ids))
        server.run(call)
        assert lists.pending
        waiting_since = lists._waiting[0].since
        assert lists.work(waiting_since + 0.9, idle=False) > 0.0  # calls come first
        assert not rows_at_once
        for step in range(5):  # but not forever: one part now and then
            done = len(rows_at_once)
            now = waiting_since + 1.5 + step
            lists.work(now, idle=False)
            lists.work(now + 0.001, idle=False)
            assert len(rows_at_once) <= done + 1
        assert not lists.pending
        server.settle()
    assert rows_at_once == [256, 256, 28]


def test_a_share_of_lists_is_paired_and_degraded_ones_are_not(serve, shop_store):
    with serve(Aliases(champion="1", shadow="3", pairs_share=0.3)) as server:
        for _ in range(200):
            server.answer(pb.RankRequest(user_id="visitor-3", k=2))
        exposures = exposures_of(server, shop_store)
        assert 30 < len(exposures) < 100
        assert all(exposure.others for exposure in exposures)
        shop_store.set_blob("visitor-4", b"not a state")
        for _ in range(20):
            assert server.answer(pb.RankRequest(user_id="visitor-4", k=2)).basis.degraded
        assert exposures_of(server, shop_store, ["visitor-4"]) == []
        labels = {"model": "ranking", "version": "1", "arm": "none"}
        assert server.counted("presage_version_degraded_total", **labels) == 20
