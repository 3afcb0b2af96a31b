"""MLServer over gRPC with the Open Inference Protocol: the model only."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers.open_inference import infer_case
from benchmarks.peers.peer import Peer

__all__ = ["PEER"]

_HERE = Path(__file__).parent

PEER: Peer = Peer(
    name="mlserver_grpc",
    what="MLServer, gRPC, ONNX Runtime in the server's process, no batching",
    folder=_HERE,
    command=lambda site: (str(site.python), str(_HERE / "start.py")),
    cases=(infer_case(),),
)
