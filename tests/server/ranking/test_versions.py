"""Two versions of a ranking model: who gets which."""

from __future__ import annotations

import pytest

from presage.v1 import ranking_service_pb2 as pb
from presage_export.registry import Aliases, Arm, assign
from presage_server.models.ranking import load_ranking_model
from presage_server.models.served import Models, Served
from support.pipelines import LocalCall, local_pipeline
from support.rankings import write_ranking_bundle
from support.stores import opened

ALIASES = Aliases(champion="1", challenger="2", challenger_share=0.4, salt="spring", pairs_share=1.0)
VISITORS = [f"visitor-{number}" for number in range(40)]
SERVES = {Arm.CHAMPION: "1", Arm.CHALLENGER: "2"}


@pytest.fixture
def split(shop_store, shop, ranking_folder, tmp_path):
    write_ranking_bundle(tmp_path, version="2")
    champion = load_ranking_model(ranking_folder / "ranking" / "1")
    challenger = load_ranking_model(tmp_path / "ranking" / "2")
    served = Served(champion=champion, challenger=challenger, aliases=ALIASES)
    models = Models({}, "", ranking={"ranking": served}, default_ranking="ranking")
    with opened(shop_store) as view, local_pipeline(view, models, items=shop.columns) as local:
        yield local


def test_lists_are_made_by_the_version_of_the_visitors_arm_and_counted_by_it(split):
    served = dict.fromkeys(SERVES, 0)
    for user_id in VISITORS:
        for request in (pb.RankRequest(user_id=user_id, k=5), pb.NextItemsRequest(user_id=user_id, k=5)):
            arm = assign(ALIASES, user_id).arm
            basis = split.answer(request).basis
            assert (basis.model_version, basis.arm) == (SERVES[arm], arm)
            served[arm] += 1
    for arm, version in SERVES.items():
        labels = {"model": "ranking", "version": version, "arm": arm.name.lower()}
        assert split.counted("presage_version_scores_total", **labels) == served[arm] > 0


def test_lists_that_a_version_cannot_make_are_its_own_errors(split, monkeypatch):
    challenger = split.models.served_ranking("").challenger
    monkeypatch.setattr(challenger, "scores", lambda _: 1 / 0)
    calls = [LocalCall(pb.RankRequest(user_id=user_id, k=5)) for user_id in VISITORS]
    split.run(*calls)
    arms = [assign(ALIASES, user_id).arm for user_id in VISITORS]

    assert [call.outcome for call in calls] == ["OK" if arm is Arm.CHAMPION else "INTERNAL" for arm in arms]
    labels = {"model": "ranking", "version": "2", "arm": "challenger"}
    assert split.counted("presage_version_errors_total", **labels) == arms.count(Arm.CHALLENGER)


def test_previews_say_nothing_of_a_version(split, monkeypatch):
    def counted() -> dict[str, float]:
        return {
            f"{sample.name}{sample.labels}": sample.value
            for family in split.metrics.versions.collect()
            for sample in family.samples
            if sample.value
        }

    previews = [pb.RankRequest(user_id=user_id, k=5, preview=True) for user_id in VISITORS]
    before = counted()
    split.run(*(LocalCall(request) for request in previews))
    for version in ("champion", "challenger"):
        monkeypatch.setattr(getattr(split.models.served_ranking(""), version), "scores", lambda _: 1 / 0)
    failing = [LocalCall(request) for request in previews]
    split.run(*failing)
    assert {call.outcome for call in failing} == {"INTERNAL"}
    assert counted() == before
