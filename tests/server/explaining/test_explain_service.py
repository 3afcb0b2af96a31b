"""Explain on a running server: the score that Score returns, and contributions that add up to it."""

from __future__ import annotations

import asyncio
import math

import grpc
import pytest

from presage.v1 import model_service_pb2 as pb
from presage.v1 import model_service_pb2_grpc, scoring_service_pb2
from presage_export.bundle.explaining import Explainer
from presage_export.registry import Aliases
from presage_server.errors import ModelNotFoundError, NotExplainedError, OverloadedError
from presage_server.explaining.explain_service import ExplainService
from presage_server.models.loading import load_model, load_models
from presage_server.models.served import Models, Served
from presage_server.settings import shipped_models
from presage_server.store.keys import state_key
from support.bundles import write_small_bundle
from support.running_server import serving
from support.running_server import track as event_of

MOMENT = 1_700_000_000_000_000


def stub(served):
    return model_service_pb2_grpc.ModelServiceStub(served.channel)


async def explain(served, user_id="ada", **fields) -> pb.ExplainResponse:
    return await stub(served).Explain(pb.ExplainRequest(user_id=user_id, **fields))


async def failure(call) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code(), error.value.details()


async def shop(served, user_id="ada"):
    for number in range(3):
        await served.stub.TrackEvent(event_of(user_id, f"e-{number}", event_time_unix_micros=MOMENT + number))


@pytest.mark.usefixtures("each_transport")
async def test_the_explained_score_is_the_served_one(store, models):
    async with serving(redis_url=store.url, models=models) as served:
        await shop(served)
        for name in ("", "second"):
            scored = await served.stub.Score(
                scoring_service_pb2.ScoreRequest(
                    user_id="ada", model=name, as_of_unix_micros=MOMENT + 10, include_features=True
                )
            )
            explained = await explain(served, model=name, as_of_unix_micros=MOMENT + 10)
            prediction = scored.prediction
            assert explained.score == prediction.score
            assert (explained.model, explained.model_version) == (prediction.model, prediction.model_version)
            assert [each.feature for each in explained.contributions] == list(prediction.features.names)
            assert [each.value for each in explained.contributions] == list(prediction.features.values)
            total = explained.base_margin + sum(each.contribution for each in explained.contributions)
            assert total == pytest.approx(explained.margin, rel=1e-9)
            assert explained.score == pytest.approx(1 / (1 + math.exp(-explained.margin)), abs=1e-6)
            assert explained.method == "tree_shap"
            assert not explained.cold_start


async def test_a_visitor_without_history_is_explained_too(served):
    explained = await explain(served, "nobody")
    assert explained.cold_start
    said = {each.feature: each.reason for each in explained.contributions}
    assert said["cart_items_count"].startswith("0 units in the cart, ")
    assert said["user_segment_encoded"].startswith("segment: new, ")


REJECTED = {
    "no visitor": ({"user_id": ""}, grpc.StatusCode.INVALID_ARGUMENT, "user_id: expected 1 to"),
    "milliseconds": ({"as_of_unix_micros": 5}, grpc.StatusCode.INVALID_ARGUMENT, "as_of_unix_micros: expected"),
    "unknown model": ({"model": "nope"}, grpc.StatusCode.NOT_FOUND, "model: expected one of"),
    "unknown version": ({"version": "7"}, grpc.StatusCode.NOT_FOUND, "version: expected one of ['1'], which are loaded"),
}  # fmt: skip


@pytest.mark.parametrize("case", REJECTED)
async def test_requests_that_cannot_be_met_say_why(served, case):
    fields, code, message = REJECTED[case]
    actual, said = await failure(explain(served, **{"user_id": "ada", **fields}))
    assert actual is code
    assert message in said


async def test_damaged_states_are_data_loss(served, store):
    store.redis.set(state_key("ada"), b"12345678nonsense")
    store.redis.lpush(state_key("bob"), b"a list")
    for user_id in ("ada", "bob"):
        code, _ = await failure(explain(served, user_id))
        assert code is grpc.StatusCode.DATA_LOSS


async def test_a_bundle_without_covers_serves_and_says_what_to_do(store, tmp_path):
    write_small_bundle(tmp_path, covers=False)
    async with serving(redis_url=store.url, models=tmp_path) as served:
        await served.stub.Score(scoring_service_pb2.ScoreRequest(user_id="ada"))
        code, said = await failure(explain(served))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "the scores of conversion version 1 cannot be explained: the bundle has no explain.npz" in said
    assert "train or export the model again" in said


class Nothing:
    """A store that has nothing, once it may answer."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def get(self, _key: str) -> None:
        await self.may_answer.wait()


def make_service(models: Models, **changes) -> tuple[ExplainService, Nothing]:
    store = Nothing()
    return ExplainService(models, store, clock=lambda: MOMENT, timeout_seconds=60.0, **changes), store


async def test_explanations_beyond_the_limit_are_rejected(models):
    service, store = make_service(load_models(models), most=2)
    store.may_answer.clear()
    waiting = [asyncio.create_task(service.explain(pb.ExplainRequest(user_id=name))) for name in "ab"]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError, match="2 explanations are being made; try again"):
        await service.explain(pb.ExplainRequest(user_id="c"))
    store.may_answer.set()
    assert len(await asyncio.gather(*waiting)) == 2
    assert (await service.explain(pb.ExplainRequest(user_id="c"))).cold_start
    service.close()


async def test_the_version_is_the_visitors_own_unless_another_is_named(tmp_path):
    for version in "12":
        write_small_bundle(tmp_path, version=version, seed=int(version))
    champion, challenger = (load_model(tmp_path / "conversion" / version) for version in "12")
    aliases = Aliases(champion="1", challenger="2", challenger_share=0.5)
    models = Models({"conversion": Served(champion=champion, challenger=challenger, aliases=aliases)}, "conversion")
    service, _ = make_service(models)
    for number in range(20):
        user_id = f"visitor-{number}"
        own = models.route("", user_id).model.version
        assert (await service.explain(pb.ExplainRequest(user_id=user_id))).model_version == own
        for version in "12":
            explained = await service.explain(pb.ExplainRequest(user_id=user_id, version=version))
            assert explained.model_version == version
    service.close()


async def test_a_ranking_model_is_not_explained():
    service, _ = make_service(load_models(shipped_models()))
    with pytest.raises(NotExplainedError, match="'ranking' ranks items, and only scores of visitors can be explained"):
        await service.explain(pb.ExplainRequest(user_id="ada", model="ranking"))
    with pytest.raises(ModelNotFoundError):
        await service.explain(pb.ExplainRequest(user_id="ada", model="nope"))
    service.close()


async def test_an_explanation_of_another_margin_is_not_sent(served, monkeypatch):
    explained = Explainer.explain

    def wrong(self, row):
        explanation = explained(self, row)
        object.__setattr__(explanation, "margin", explanation.margin + 0.01)
        return explanation

    monkeypatch.setattr(Explainer, "explain", wrong)
    code, said = await failure(explain(served))
    assert code is grpc.StatusCode.INTERNAL
    assert "internal error" in said
