"""How calls of Presage's own contract are made and read; several peers serve the same one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.dataset import Sample
from benchmarks.peers.peer import RANKED, Case, Protocol, Task
from presage.v1 import prediction_pb2, ranking_service_pb2, scoring_service_pb2

__all__ = [
    "FEWER_FEATURES",
    "READY_VALUES",
    "features_100_case",
    "features_case",
    "items_case",
    "rank_case",
    "score_case",
    "vector_case",
]

READY_VALUES = "less work: it reads 20 ready values, assembled by another system and as old as that"
"""The difference of all peers whose store holds features instead of a state."""

FEWER_FEATURES = (
    "less work: 20 features of an item are ready values, 12 more are computed; no reasons, no log of what was shown"
)

_SERVICE = "/presage.v1.ScoringService/"
_RANKING_SERVICE = "/presage.v1.RankingService/"


def score_case(*, variant: str = "", differs: str = "", named: str = "") -> Case:
    """Score, at the sample's moment; ``named`` goes where a model is named."""

    def encode(sample: Sample) -> bytes:
        (user_id,) = sample.user_ids
        return scoring_service_pb2.ScoreRequest(
            user_id=user_id, as_of_unix_micros=sample.as_of_unix_micros, model=named
        ).SerializeToString()

    def decode(answer: bytes) -> Sequence[float]:
        return [scoring_service_pb2.ScoreResponse.FromString(answer).prediction.score]

    return _case(Task.SCORE, "Score", encode, decode, variant=variant, differs=differs)


def vector_case(*, variant: str = "", differs: str = "") -> Case:
    """ScoreVectors with one vector."""

    def encode(sample: Sample) -> bytes:
        vectors = [prediction_pb2.FeatureVector(values=row) for row in sample.rows]
        return scoring_service_pb2.ScoreVectorsRequest(vectors=vectors).SerializeToString()

    def decode(answer: bytes) -> Sequence[float]:
        return [one.score for one in scoring_service_pb2.ScoreVectorsResponse.FromString(answer).predictions]

    return _case(Task.VECTOR, "ScoreVectors", encode, decode, variant=variant, differs=differs)


def features_case(*, variant: str = "", differs: str = "", named: str = "") -> Case:
    """GetFeatures, at the sample's moment; ``named`` goes where a feature set is named."""

    def encode(sample: Sample) -> bytes:
        (user_id,) = sample.user_ids
        return scoring_service_pb2.GetFeaturesRequest(
            user_id=user_id, as_of_unix_micros=sample.as_of_unix_micros, feature_set=named
        ).SerializeToString()

    def decode(answer: bytes) -> Sequence[float]:
        return scoring_service_pb2.GetFeaturesResponse.FromString(answer).features.values

    return _case(Task.FEATURES, "GetFeatures", encode, decode, variant=variant, differs=differs)


def features_100_case(*, variant: str = "", differs: str = "", named: str = "") -> Case:
    """ScoreBatch with the features in the answer; ``named`` goes where a model is named."""

    def encode(sample: Sample) -> bytes:
        targets = [scoring_service_pb2.ScoreTarget(user_id=user_id) for user_id in sample.user_ids]
        return scoring_service_pb2.ScoreBatchRequest(
            targets=targets, as_of_unix_micros=sample.as_of_unix_micros, include_features=True, model=named
        ).SerializeToString()

    def decode(answer: bytes) -> Sequence[float]:
        predictions = scoring_service_pb2.ScoreBatchResponse.FromString(answer).predictions
        return [value for one in predictions for value in one.features.values]

    return _case(Task.FEATURES_100, "ScoreBatch", encode, decode, variant=variant, differs=differs)


def rank_case(*, differs: str = "") -> Case:
    """Rank, with candidates. The model is Presage's own, so what is checked is that the best of the candidates come in order."""

    def decode(answer: bytes) -> Sequence[float]:
        items = ranking_service_pb2.RankResponse.FromString(answer).items
        scores = [item.score for item in items]
        if scores != sorted(scores, reverse=True):
            raise ValueError(f"expected items by descending score, got {scores}")
        return [float(len({item.item_id for item in items})), float(any(item.cold for item in items))]

    return _case(
        Task.RANK,
        "Rank",
        _rank_request,
        decode,
        variant="",
        service=_RANKING_SERVICE,
        expected=lambda _: np.array([RANKED, 0.0]),
        differs=differs,
    )


def items_case(*, named: str, variant: str, differs: str) -> Case:
    """Rank, of a server that only reads the candidates' ready features: the scores are their sums, in the order of the request."""

    def decode(answer: bytes) -> Sequence[float]:
        return [item.score for item in ranking_service_pb2.RankResponse.FromString(answer).items]

    return _case(
        Task.RANK,
        "Rank",
        partial(_rank_request, named=named),
        decode,
        variant=variant,
        service=_RANKING_SERVICE,
        expected=lambda sample: sample.rows.astype(np.float64).sum(axis=1),
        differs=differs,
    )


def _rank_request(sample: Sample, named: str = "") -> bytes:
    (user_id,) = sample.user_ids
    return ranking_service_pb2.RankRequest(
        user_id=user_id, candidate_ids=sample.item_ids, k=20, as_of_unix_micros=sample.as_of_unix_micros, model=named
    ).SerializeToString()


def _case(
    task: Task,
    method: str,
    encode: Callable[[Sample], bytes],
    decode: Callable[[bytes], Sequence[float]],
    *,
    variant: str,
    differs: str,
    service: str = _SERVICE,
    expected: Callable[[Sample], NDArray[np.float64]] | None = None,
) -> Case:
    return Case(
        task=task,
        protocol=Protocol.GRPC,
        path=service + method,
        expected=expected,
        encode=encode,
        decode=decode,
        variant=variant,
        differs=differs,
    )
