"""The bundle's ONNX file as a model of MLServer, which has no runtime of its own for ONNX."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from peer_parts import OnnxScorer


class OnnxModel(MLModel):
    """Scores rows: float32 [N, 20] to float64 [N, 1]."""

    async def load(self) -> bool:
        """Load the file."""
        self._scorer = OnnxScorer()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Score the rows of a request."""
        rows = NumpyCodec.decode_input(payload.inputs[0])
        scores = 1.0 / (1.0 + np.exp(-self._scorer.margins(rows).astype(np.float64)))
        output = NumpyCodec.encode_output("score", scores.reshape(-1, 1))
        return InferenceResponse(model_name=self.name, outputs=[output])
