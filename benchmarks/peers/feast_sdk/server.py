"""Feast's library for the features and ONNX Runtime for the score, behind grpc.aio; a call names the feature service."""

import asyncio
import os
import signal

import grpc
import uvloop
from feast import FeatureStore
from peer_parts import FEATURES, OnnxScorer

from presage.v1 import prediction_pb2, scoring_service_pb2, scoring_service_pb2_grpc

NAMES = [f"conversion__{name}" for name in FEATURES]
"""Precomputed vectors are found only under full names."""


class Scoring(scoring_service_pb2_grpc.ScoringServiceServicer):
    """Three calls of the contract; ScoreBatch gives features only."""

    def __init__(self) -> None:
        self._store = FeatureStore(".")
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


async def main() -> None:
    """Serve until SIGTERM."""
    server = grpc.aio.server()
    scoring_service_pb2_grpc.add_ScoringServiceServicer_to_server(Scoring(), server)
    server.add_insecure_port(f"127.0.0.1:{os.environ['PEER_PORT']}")
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(1.0)


uvloop.run(main())
