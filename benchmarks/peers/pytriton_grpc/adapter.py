"""PyTriton over gRPC with the Open Inference Protocol: the model only, calls gathered into batches."""

from __future__ import annotations

import sysconfig
from pathlib import Path

from benchmarks.peers.open_inference import infer_case
from benchmarks.peers.peer import Peer

__all__ = ["PEER"]

PEER: Peer = Peer(
    name="pytriton_grpc",
    what="PyTriton, gRPC, ONNX Runtime in Python, Triton's dynamic batching without delay",
    folder=Path(__file__).parent,
    command=lambda site: (str(site.python), PEER.server),
    cases=(infer_case(),),
    # Triton loads Python as a library: the one of this interpreter, not another of the system.
    variables={"LD_LIBRARY_PATH": sysconfig.get_config_var("LIBDIR") or ""},
)
