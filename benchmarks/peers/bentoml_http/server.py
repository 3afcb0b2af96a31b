"""The whole score as a service of BentoML."""

import bentoml
import numpy as np
from peer_parts import FeatureReader, OnnxScorer


@bentoml.service(
    workers=1,
    traffic={"timeout": 10},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class Scoring:
    """One worker, asynchronous."""

    def __init__(self) -> None:
        self._reader = FeatureReader()
        self._scorer = OnnxScorer()

    @bentoml.api
    async def score(self, user_id: str) -> float:
        """Read the visitor's ready features, score them."""
        return self._scorer.score(await self._reader.read(user_id))

    @bentoml.api
    async def vectors(self, vectors: list[list[float]]) -> list[float]:
        """Score the caller's own vectors."""
        margins = self._scorer.margins(np.array(vectors, dtype=np.float32)).astype(np.float64)
        return (1.0 / (1.0 + np.exp(-margins))).tolist()
