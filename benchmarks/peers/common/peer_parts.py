"""What the peers' servers share: the model in ONNX Runtime, and one visitor's ready features out of a Redis hash.

It runs in the peers' virtual environments, so it knows nothing of Presage.
"""

from __future__ import annotations

import math
import os

import numpy as np
import onnxruntime
from redis import asyncio as redis_asyncio

__all__ = ["FEATURES", "FeatureReader", "OnnxScorer"]

FEATURES = os.environ["PEER_FEATURES"].split(",")


class OnnxScorer:
    """The bundle's ONNX file with its logit link, one thread, inline."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        self._session = onnxruntime.InferenceSession(
            os.environ["PEER_MODEL"], options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def margins(self, rows: np.ndarray) -> np.ndarray:
        """Run the model: float32 [N, 20] to float32 [N]."""
        return self._session.run(None, {self._input: rows})[0].ravel()

    def score(self, row: list[float]) -> float:
        """Score one row."""
        return 1.0 / (1.0 + math.exp(-float(self.margins(np.array([row], dtype=np.float32))[0])))


class FeatureReader:
    """The ready feature values of a visitor: one HMGET, by redis-py with hiredis."""

    def __init__(self) -> None:
        self._client = redis_asyncio.Redis.from_url(os.environ["PEER_REDIS_URL"])

    async def read(self, user_id: str) -> list[float]:
        """Read one visitor's features; 0 for what is not there."""
        values = await self._client.hmget(f"features:{user_id}", FEATURES)
        return [float(value) if value is not None else 0.0 for value in values]
