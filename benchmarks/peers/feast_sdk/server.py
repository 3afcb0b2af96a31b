"""Feast's library for the features and ONNX Runtime for the score, behind grpc.aio; a call names the feature service."""

import asyncio
import os
import signal
from pathlib import Path

import grpc
import uvloop
from feast import FeatureStore
from peer_parts import FEATURES, OnnxScorer
from ranking_layout import ITEM_FEATURES

from presage.v1 import (
    prediction_pb2,
    ranking_service_pb2,
    ranking_service_pb2_grpc,
    scoring_service_pb2,
    scoring_service_pb2_grpc,
)

NAMES = [f"conversion__{name}" for name in FEATURES]
"""Precomputed vectors are found only under full names."""


ITEM_NAMES = [f"items__{name}" for name in ITEM_FEATURES]


class Scoring(scoring_service_pb2_grpc.ScoringServiceServicer):
    """Three calls of the contract; ScoreBatch gives features only."""

    def __init__(self, store: FeatureStore) -> None:
        self._store = store
        self._services = {service.name: service for service in self._store.list_feature_services()}
        self._scorer = OnnxScorer()

    async def Score(self, request, _context):  # noqa: N802 - gRPC's name
        """Read the visitor's features, score them."""
        (row,) = await self._read(request.model, [request.user_id])
        score = self._scorer.score(row)
        prediction = prediction_pb2.Prediction(score=score, model="conversion", model_version="3")
        return scoring_service_pb2.ScoreResponse(prediction=prediction)

    async def GetFeatures(self, request, _context):  # noqa: N802 - gRPC's name
        """Read the visitor's features."""
        (row,) = await self._read(request.feature_set, [request.user_id])
        return scoring_service_pb2.GetFeaturesResponse(features=prediction_pb2.FeatureVector(values=row))

    async def ScoreBatch(self, request, _context):  # noqa: N802 - gRPC's name
        """Read many visitors' features."""
        rows = await self._read(request.model, [target.user_id for target in request.targets])
        return scoring_service_pb2.ScoreBatchResponse(
            predictions=[prediction_pb2.Prediction(features=prediction_pb2.FeatureVector(values=row)) for row in rows]
        )

    async def _read(self, service: str, user_ids: list[str]) -> list[list[float]]:
        answer = await self._store.get_online_features_async(
            features=self._services[service], entity_rows={"user_id": user_ids}, full_feature_names=True
        )
        columns = answer.to_dict()
        return [list(row) for row in zip(*(columns[name] for name in NAMES), strict=True)]


class Ranking(ranking_service_pb2_grpc.RankingServiceServicer):
    """Reads items' features, and ranks nothing."""

    def __init__(self, store: FeatureStore) -> None:
        self._store = store
        self._services = {service.name: service for service in self._store.list_feature_services()}

    async def Rank(self, request, _context):  # noqa: N802 - gRPC's name
        """Read the candidates' features; each item's score is their sum."""
        answer = await self._store.get_online_features_async(
            features=self._services[request.model],
            entity_rows={"item_id": list(request.candidate_ids)},
            full_feature_names=True,
        )
        columns = answer.to_dict()
        sums = map(sum, zip(*(columns[name] for name in ITEM_NAMES), strict=True))
        items = [
            ranking_service_pb2.RankedItem(item_id=item, score=score)
            for item, score in zip(request.candidate_ids, sums, strict=True)
        ]
        return ranking_service_pb2.RankResponse(items=items)


def add_services(server: grpc.aio.Server) -> None:
    """Add those whose features are in the store."""
    store = FeatureStore(".")
    if Path(os.environ["PEER_ROWS"]).exists():
        scoring_service_pb2_grpc.add_ScoringServiceServicer_to_server(Scoring(store), server)
    if Path(os.environ["PEER_ITEMS"]).exists():
        ranking_service_pb2_grpc.add_RankingServiceServicer_to_server(Ranking(store), server)


async def main() -> None:
    """Serve until SIGTERM."""
    server = grpc.aio.server()
    add_services(server)
    server.add_insecure_port(f"127.0.0.1:{os.environ['PEER_PORT']}")
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(1.0)


uvloop.run(main())
