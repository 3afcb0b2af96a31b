"""All peers, in the order in which they are measured and shown."""

from __future__ import annotations

from benchmarks.peers.bentoml_http.adapter import PEER as BENTOML
from benchmarks.peers.by_hand_fastapi.adapter import PEER as BY_HAND_FASTAPI
from benchmarks.peers.by_hand_grpc.adapter import PEER as BY_HAND_GRPC
from benchmarks.peers.feast_rest.adapter import PEER as FEAST_REST
from benchmarks.peers.feast_sdk.adapter import PEER as FEAST_SDK
from benchmarks.peers.litserve_http.adapter import PEER as LITSERVE
from benchmarks.peers.mlserver_grpc.adapter import PEER as MLSERVER
from benchmarks.peers.pytriton_grpc.adapter import PEER as PYTRITON
from benchmarks.peers.ray_serve.adapter import PEER as RAY_SERVE

__all__ = ["PEERS"]

PEERS = (
    BY_HAND_GRPC,
    BY_HAND_FASTAPI,
    FEAST_REST,
    FEAST_SDK,
    MLSERVER,
    RAY_SERVE,
    BENTOML,
    LITSERVE,
    PYTRITON,
)
