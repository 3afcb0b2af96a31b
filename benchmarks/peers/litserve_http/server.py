"""The whole score as a server of LitServe."""

import os

import litserve
import numpy as np
from peer_parts import FeatureReader, OnnxScorer


class ScoreApi(litserve.LitAPI):
    """Reads a visitor's ready features and scores them, many calls at once in one worker."""

    def setup(self, _device: str) -> None:
        """Run in the worker, once."""
        self._reader = FeatureReader()
        self._scorer = OnnxScorer()

    async def predict(self, request: dict) -> dict:
        """Answer a call."""
        return {"scores": [self._scorer.score(await self._reader.read(request["user_id"]))]}


class VectorsApi(litserve.LitAPI):
    """Scores the caller's own vectors."""

    def setup(self, _device: str) -> None:
        """Run in the worker, once."""
        self._scorer = OnnxScorer()

    def predict(self, request: dict) -> dict:
        """Answer a call."""
        margins = self._scorer.margins(np.array(request["vectors"], dtype=np.float32)).astype(np.float64)
        return {"scores": (1.0 / (1.0 + np.exp(-margins))).tolist()}


if __name__ == "__main__":
    apis = [ScoreApi(api_path="/score", enable_async=True), VectorsApi(api_path="/vectors")]
    server = litserve.LitServer(apis, accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PEER_PORT"]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
