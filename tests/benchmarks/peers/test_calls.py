"""How peers are asked and understood: what goes out, and what is read from a right answer."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.contract import rank_case
from benchmarks.peers.dataset import FEATURES
from benchmarks.peers.open_inference import _MESSAGES
from benchmarks.peers.peer import RANKED, Protocol, Task
from benchmarks.peers.presage_itself import PRESAGES
from presage.v1 import prediction_pb2
from presage.v1 import ranking_service_pb2 as ranking
from presage.v1 import scoring_service_pb2 as service

CASES = {f"{peer.name}-{case.task}-{case.variant}": case for peer in (*PRESAGES[:1], *PEERS) for case in peer.cases}


def named(*words):
    found = [case for name, case in CASES.items() if all(word in name for word in words)]
    assert found
    return found


def asked_of(case, sample):
    if case.task is Task.RANK:
        return sample(items=3)
    return sample(3 if case.task is Task.FEATURES_100 else 1)


def vector(row):
    return prediction_pb2.FeatureVector(values=row)


def answer_in_protobuf(case, sample):
    method = case.path.rpartition("/")[2]
    if method == "ModelInfer":
        output = _MESSAGES["InferOutputTensor"](name="score", datatype="FP64")
        raw = sample.scores.astype("<f8").tobytes()
        return _MESSAGES["ModelInferResponse"](outputs=[output], raw_output_contents=[raw])
    if method == "Rank":
        scores = sample.rows.sum(axis=1).tolist() if "reads only" in case.variant else [1.0] * RANKED
        return ranking.RankResponse(
            items=[ranking.RankedItem(item_id=f"item-{place}", score=score) for place, score in enumerate(scores)]
        )
    predictions = [prediction_pb2.Prediction(score=score) for score in sample.scores]
    if method == "Score":
        return service.ScoreResponse(prediction=predictions[0])
    if method == "ScoreVectors":
        return service.ScoreVectorsResponse(predictions=predictions)
    if method == "GetFeatures":
        return service.GetFeaturesResponse(features=vector(sample.rows[0]))
    return service.ScoreBatchResponse(
        predictions=[prediction_pb2.Prediction(features=vector(row)) for row in sample.rows]
    )


def answer_in_json(case, sample):
    if case.path == "/get-online-features":
        names = ["user_id", *(f"conversion__{name}" for name in reversed(FEATURES))]
        columns = [sample.user_ids, *sample.rows.T[::-1].tolist()]
        return {"metadata": {"feature_names": names}, "results": [{"values": list(column)} for column in columns]}
    scores = sample.scores.tolist()
    if case.task is Task.RANK:
        return {"item_ids": sample.item_ids[::-1], "scores": scores[::-1]}
    if case in named("bentoml"):
        return scores[0] if case.task is Task.SCORE else scores
    return {"scores": scores, "model": "conversion"}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_right_answer_is_read_as_what_is_expected(case, sample):
    asked = asked_of(case, sample)
    if case.protocol is Protocol.GRPC:
        answer = answer_in_protobuf(case, asked).SerializeToString()
    else:
        answer = json.dumps(answer_in_json(case, asked)).encode()

    assert list(case.decode(answer)) == (case.expected or case.task.expected)(asked).tolist()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_call_says_whom_or_what_it_is_about(case, sample):
    asked = asked_of(case, sample)
    body = case.encode(asked)

    if case.task is not Task.VECTOR:
        assert all(named.encode() in body for named in (*asked.user_ids, *asked.item_ids))
    elif case.protocol is Protocol.HTTP1:
        assert json.loads(body) == {"vectors": asked.rows.tolist()}
    else:
        assert asked.rows.astype("<f4").tobytes() in body


def test_presage_is_asked_about_the_samples_moment(sample):
    (case,) = named("presage", "score")
    request = service.ScoreRequest.FromString(case.encode(sample()))

    assert request.as_of_unix_micros == sample().as_of_unix_micros


def test_an_order_that_does_not_follow_from_the_scores_is_seen():
    case = rank_case()
    items = [ranking.RankedItem(item_id="a", score=1.0), ranking.RankedItem(item_id="b", score=2.0)]

    with pytest.raises(ValueError, match="descending"):
        case.decode(ranking.RankResponse(items=items).SerializeToString())


def test_an_item_is_not_taken_for_its_neighbour(sample):
    """Answers are compared with a tolerance, and an item's number may be large."""
    (case,) = named("fastapi", "rank")
    asked = sample(items=3)
    answer = answer_in_json(case, asked) | {"item_ids": [*asked.item_ids[1:], "item-0001999"]}

    expected = Task.RANK.expected(asked)
    assert not np.allclose(list(case.decode(json.dumps(answer).encode())), expected, rtol=1e-5, atol=1e-5)


def test_feast_is_told_the_service_by_the_variant(sample):
    for case in named("feast_rest"):
        assert json.loads(case.encode(sample()))["feature_service"] == case.variant
    for case in named("feast_sdk", "features-precomputed"):
        assert service.GetFeaturesRequest.FromString(case.encode(sample())).feature_set == "precomputed"


def test_open_inference_carries_shape_and_kind(sample):
    for case in named("vector"):
        if case.path.endswith("ModelInfer"):
            request = _MESSAGES["ModelInferRequest"].FromString(case.encode(sample()))
            (tensor,) = request.inputs
            assert (request.model_name, tensor.name, tensor.datatype) == ("conversion", "features", "FP32")
            assert list(tensor.shape) == [1, len(FEATURES)]


@pytest.mark.parametrize(("kind", "dtype"), [("FP32", "<f4"), ("FP64", "<f8")])
def test_open_inference_scores_are_read_in_every_form_that_servers_choose(kind, dtype):
    case = named("mlserver")[0]
    output = _MESSAGES["InferOutputTensor"](name="score", datatype=kind)
    raw = _MESSAGES["ModelInferResponse"](outputs=[output], raw_output_contents=[np.array([0.25], dtype).tobytes()])
    getattr(output.contents, f"{kind.lower()}_contents").append(0.25)
    typed = _MESSAGES["ModelInferResponse"](outputs=[output])

    assert list(case.decode(raw.SerializeToString())) == list(case.decode(typed.SerializeToString())) == [0.25]
