"""The bundle's ONNX file as a model of Triton, run in Python by PyTriton, with Triton's dynamic batching."""

import os

import numpy as np
from peer_parts import OnnxScorer
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

scorer = OnnxScorer()


@batch
def infer(features: np.ndarray) -> dict[str, np.ndarray]:
    """Score rows: float32 [N, 20] to float64 [N, 1]."""
    scores = 1.0 / (1.0 + np.exp(-scorer.margins(features).astype(np.float64)))
    return {"score": scores.reshape(-1, 1)}


config = TritonConfig(
    http_address="127.0.0.1",
    http_port=int(os.environ["PEER_SPARE_PORT"]),
    grpc_address="127.0.0.1",
    grpc_port=int(os.environ["PEER_PORT"]),
    allow_metrics=False,
)
with Triton(config=config) as triton:
    triton.bind(
        model_name="conversion",
        infer_func=infer,
        inputs=[Tensor(name="features", dtype=np.float32, shape=(20,))],
        outputs=[Tensor(name="score", dtype=np.float64, shape=(1,))],
        config=ModelConfig(max_batch_size=64, batcher=DynamicBatcher(max_queue_delay_microseconds=0)),
        strict=False,
    )
    triton.serve()
