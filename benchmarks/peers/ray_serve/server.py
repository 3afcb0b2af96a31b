"""The whole score as a deployment of Ray Serve with Presage's own contract over gRPC."""

import os
import signal
import socket
import sys
import threading

import numpy as np
import ray
from peer_parts import FeatureReader, OnnxScorer
from ray import serve
from ray.serve.config import gRPCOptions

from presage.v1 import prediction_pb2, scoring_service_pb2


@serve.deployment(num_replicas=1, max_ongoing_requests=256, ray_actor_options={"num_cpus": 1})
class Scoring:
    """One replica."""

    def __init__(self) -> None:
        self._reader = FeatureReader()
        self._scorer = OnnxScorer()

    async def Score(self, request):  # noqa: N802 - gRPC's name
        """Read the visitor's ready features, score them."""
        score = self._scorer.score(await self._reader.read(request.user_id))
        prediction = prediction_pb2.Prediction(score=score, model="conversion", model_version="3")
        return scoring_service_pb2.ScoreResponse(prediction=prediction)

    async def ScoreVectors(self, request):  # noqa: N802 - gRPC's name
        """Score the caller's own vectors."""
        rows = np.array([vector.values for vector in request.vectors], dtype=np.float32)
        scores = (1.0 / (1.0 + np.exp(-self._scorer.margins(rows).astype(np.float64)))).tolist()
        return scoring_service_pb2.ScoreVectorsResponse(
            predictions=[
                prediction_pb2.Prediction(score=score, model="conversion", model_version="3") for score in scores
            ]
        )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def main() -> None:
    """Serve until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    ray.init(
        address="local",
        num_cpus=os.cpu_count(),
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        _temp_dir=os.environ["PEER_FOLDER"],
        logging_level="warning",
    )
    # The replica itself answers gRPC, without a proxy in between: Ray's fastest way. One runs all the same, and is not called.
    serve.start(
        http_options={"host": "127.0.0.1", "port": _free_port()},
        grpc_options=gRPCOptions(
            port=_free_port(),
            grpc_servicer_functions=["presage.v1.scoring_service_pb2_grpc.add_ScoringServiceServicer_to_server"],
        ),
    )
    serve.run(Scoring.bind(), name="scoring", logging_config={"enable_access_log": False, "log_level": "WARNING"})
    stop.wait()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    sys.exit(main())
