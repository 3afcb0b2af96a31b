"""Explain on a running server: the score that Score returns, and contributions that add up to it."""

from __future__ import annotations

import asyncio
import gc
import math
import shutil
import signal
import weakref

import grpc
import pytest

from presage.v1 import model_service_pb2 as pb
from presage.v1 import model_service_pb2_grpc, scoring_service_pb2
from presage_export.bundle.explaining import Explainer
from presage_export.errors import ParityError
from presage_export.registry import Aliases
from presage_featurizer import featurize
from presage_featurizer.custom import CustomFeatures
from presage_server.call import Call
from presage_server.errors import ModelNotFoundError, NotExplainedError
from presage_server.explaining.explain_process import explain_row
from presage_server.explaining.explainers import Explainers
from presage_server.explaining.method import ExplainMethod
from presage_server.models.loading import load_model, load_models
from presage_server.models.served import Models, Served
from presage_server.rpc.status import CODE_NAMES, Status
from presage_server.settings import shipped_models
from presage_server.store.keys import state_key
from support.bundles import write_small_bundle
from support.running_server import GENEROUS_SECONDS, gone, server_process, serving
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


class Asked(Call):
    """A call that keeps how it ended."""

    __slots__ = ("code_name", "ended", "failure", "payload")

    def __init__(self) -> None:
        super().__init__("/Explain", b"", 0.0, math.inf)
        self.ended = asyncio.Event()
        self.payload, self.failure = b"", ""

    def send_reply(self, payload: bytes) -> None:
        self.payload = payload
        self.ended.set()

    def send_failure(self, status: Status) -> None:
        self.failure, self.code_name = status.message, CODE_NAMES[status.code]
        self.ended.set()


@pytest.fixture
async def explainers():
    made = Explainers(asyncio.get_running_loop(), most=2)
    yield made
    await made.close()


async def test_explanations_beyond_the_limit_are_rejected(models, explainers):
    model = load_model(models / "conversion" / "1")
    vector = featurize(None, MOMENT, model.feature_set)
    calls = [Asked() for _ in range(3)]
    for call in calls:
        explainers.explain(call, model, vector, cold_start=True)
    for call in calls:
        await asyncio.wait_for(call.ended.wait(), GENEROUS_SECONDS)

    assert [call.failure for call in calls[:2]] == ["", ""]
    assert calls[2].failure == "2 explanations are being made; try again, with fewer calls at once"
    assert pb.ExplainResponse.FromString(calls[0].payload).cold_start


async def test_a_process_that_dies_fails_its_calls_and_is_started_again(models, explainers):
    model = load_model(models / "conversion" / "1")
    vector = featurize(None, MOMENT, model.feature_set)
    first, lost, again = Asked(), Asked(), Asked()
    explainers.explain(first, model, vector, cold_start=True)
    await asyncio.wait_for(first.ended.wait(), GENEROUS_SECONDS)
    process = explainers._process
    process.send_signal(signal.SIGSTOP)
    explainers.explain(lost, model, vector, cold_start=True)
    await asyncio.sleep(0)
    process.kill()
    await asyncio.wait_for(lost.ended.wait(), GENEROUS_SECONDS)
    explainers.explain(again, model, vector, cold_start=True)
    await asyncio.wait_for(again.ended.wait(), GENEROUS_SECONDS)

    assert lost.failure == "the process that explains scores has ended; see the server's log"
    assert again.payload == first.payload


async def test_an_explanation_that_takes_too_long_ends_and_its_process_is_replaced(models):
    """As of a process that is stopped, or waits for a disk."""
    model = load_model(models / "conversion" / "1")
    vector = featurize(None, MOMENT, model.feature_set)
    explainers = Explainers(asyncio.get_running_loop(), seconds=GENEROUS_SECONDS)
    first, stuck, behind, again = Asked(), Asked(), Asked(), Asked()
    explainers.explain(first, model, vector, cold_start=True)
    await asyncio.wait_for(first.ended.wait(), GENEROUS_SECONDS)
    hung = explainers._process
    hung.send_signal(signal.SIGSTOP)
    explainers._seconds = 0.2
    for call in (stuck, behind):
        explainers.explain(call, model, vector, cold_start=True)
    for call in (stuck, behind):
        await asyncio.wait_for(call.ended.wait(), GENEROUS_SECONDS)
    explainers._seconds = GENEROUS_SECONDS
    explainers.explain(again, model, vector, cold_start=True)
    await asyncio.wait_for(again.ended.wait(), GENEROUS_SECONDS)
    await explainers.close()

    assert stuck.code_name == "DEADLINE_EXCEEDED"
    assert stuck.failure == "the score could not be explained within 0.2 s"
    assert behind.code_name == "RESOURCE_EXHAUSTED"
    assert behind.failure == "the explanation before this one took too long, so this one was not made; try again"
    assert again.payload == first.payload
    assert gone(hung.pid)


async def test_the_time_of_an_explanation_is_its_own(models, explainers):
    """Answers in time have the process go on, however long it has been there."""
    model = load_model(models / "conversion" / "1")
    vector = featurize(None, MOMENT, model.feature_set)
    call = Asked()
    explainers.explain(call, model, vector, cold_start=True)
    await asyncio.wait_for(call.ended.wait(), GENEROUS_SECONDS)
    process, explainers._seconds = explainers._process, 0.2
    await asyncio.sleep(0.4)
    explainers._seconds = GENEROUS_SECONDS
    again = Asked()
    explainers.explain(again, model, vector, cold_start=True)
    await asyncio.wait_for(again.ended.wait(), GENEROUS_SECONDS)

    assert again.payload == call.payload
    assert explainers._process is process


async def test_the_first_explanation_writes_nothing_to_the_log(models, store, tmp_path):
    """gRPC complains on stderr when a process that it has threads in is copied."""
    with server_process(tmp_path / "log", "--models", str(models), "--redis-url", store.url) as server:
        before = server.log
        async with grpc.aio.insecure_channel(server.address) as channel:
            await model_service_pb2_grpc.ModelServiceStub(channel).Explain(pb.ExplainRequest(user_id="ada"))
        assert server.log == before


async def test_a_version_that_was_explained_is_freed_when_it_serves_no_more(models, explainers):
    model = load_model(models / "conversion" / "1")
    call, freed = Asked(), weakref.ref(model)
    explainers.explain(call, model, featurize(None, MOMENT, model.feature_set), cold_start=True)
    await asyncio.wait_for(call.ended.wait(), GENEROUS_SECONDS)
    del model
    gc.collect()
    assert freed() is None


async def test_a_folder_that_was_replaced_is_not_taken_for_the_model_that_serves(tmp_path, explainers):
    write_small_bundle(tmp_path)
    model = load_model(tmp_path / "conversion" / "1")
    shutil.rmtree(tmp_path / "conversion" / "1")
    write_small_bundle(tmp_path, seed=4)
    call = Asked()
    explainers.explain(call, model, featurize(None, MOMENT, model.feature_set), cold_start=True)
    await asyncio.wait_for(call.ended.wait(), GENEROUS_SECONDS)

    assert "cannot be explained" in call.failure
    assert "replaced since it was verified" in call.failure


async def test_a_projects_own_features_are_explained_in_the_words_of_their_declaration(tmp_path):
    custom = CustomFeatures.parse(
        'name = "mine"\nextends = "conversion"\n'
        '[features.margin]\naggregate = "sum"\nover = "session"\nof = "numbers.margin"\n'
    )
    write_small_bundle(tmp_path, name="own", feature_set=custom.feature_set)
    model = load_model(tmp_path / "own" / "1", custom)
    explainers = Explainers(asyncio.get_running_loop(), custom)
    call = Asked()
    explainers.explain(call, model, featurize(None, MOMENT, model.feature_set), cold_start=True)
    await asyncio.wait_for(call.ended.wait(), GENEROUS_SECONDS)
    await explainers.close()

    assert call.failure == ""
    said = {each.feature: each.reason for each in pb.ExplainResponse.FromString(call.payload).contributions}
    assert said["margin"].startswith("margin (sum of numbers.margin over the session): 0, ")


def method_of(models: Models) -> ExplainMethod:
    return ExplainMethod(models=models, clock=lambda: MOMENT, explainers=None)


def test_the_version_is_the_visitors_own_unless_another_is_named(tmp_path):
    for version in "12":
        write_small_bundle(tmp_path, version=version, seed=int(version))
    champion, challenger = (load_model(tmp_path / "conversion" / version) for version in "12")
    aliases = Aliases(champion="1", challenger="2", challenger_share=0.5)
    models = Models({"conversion": Served(champion=champion, challenger=challenger, aliases=aliases)}, "conversion")
    method = method_of(models)
    own = {user_id: method.find("", "", user_id) for user_id in map(str, range(20))}

    assert own == {user_id: models.route("", user_id).model for user_id in own}
    assert set(own.values()) == {champion, challenger}
    assert [method.find("", version, "0") for version in "12"] == [champion, challenger]


def test_a_ranking_model_is_not_explained():
    method = method_of(load_models(shipped_models()))
    with pytest.raises(NotExplainedError, match="'ranking' ranks items, and only scores of visitors can be explained"):
        method.find("ranking", "", "ada")
    with pytest.raises(ModelNotFoundError):
        method.find("nope", "", "ada")


def test_an_explanation_of_another_margin_is_not_given(models, monkeypatch):
    explained = Explainer.explain

    def wrong(self, row):
        explanation = explained(self, row)
        object.__setattr__(explanation, "margin", explanation.margin + 0.01)
        return explanation

    monkeypatch.setattr(Explainer, "explain", wrong)
    model = load_model(models / "conversion" / "1")
    with pytest.raises(ParityError):
        explain_row(model.bundle, model.feature_set, featurize(None, MOMENT, model.feature_set), cold_start=True)
