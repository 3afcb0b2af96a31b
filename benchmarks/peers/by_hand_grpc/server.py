"""A scoring service as one writes it in an afternoon: grpc.aio, uvloop, redis-py, ONNX Runtime."""

import asyncio
import os
import signal

import grpc
import numpy as np
import uvloop
from peer_parts import FeatureReader, OnnxScorer

from presage.v1 import prediction_pb2, scoring_service_pb2, scoring_service_pb2_grpc


class Scoring(scoring_service_pb2_grpc.ScoringServiceServicer):
    """The two calls that it can do."""

    def __init__(self) -> None:
        self._reader = FeatureReader()
        self._scorer = OnnxScorer()

    async def Score(self, request, _context):  # noqa: N802 - gRPC's name
        """Read the visitor's ready features, score them."""
        score = self._scorer.score(await self._reader.read(request.user_id))
        prediction = prediction_pb2.Prediction(score=score, model="conversion", model_version="3")
        return scoring_service_pb2.ScoreResponse(prediction=prediction)

    async def ScoreVectors(self, request, _context):  # noqa: N802 - gRPC's name
        """Score the caller's own vectors."""
        rows = np.array([vector.values for vector in request.vectors], dtype=np.float32)
        scores = (1.0 / (1.0 + np.exp(-self._scorer.margins(rows).astype(np.float64)))).tolist()
        return scoring_service_pb2.ScoreVectorsResponse(
            predictions=[
                prediction_pb2.Prediction(score=score, model="conversion", model_version="3") for score in scores
            ]
        )


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
