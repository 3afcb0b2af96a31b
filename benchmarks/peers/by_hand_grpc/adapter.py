"""grpc.aio + uvloop + redis-py (hiredis) + ONNX Runtime, with Presage's own contract."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers.contract import READY_VALUES, score_case, vector_case
from benchmarks.peers.peer import Peer

__all__ = ["PEER"]

PEER: Peer = Peer(
    name="by_hand_grpc",
    what="grpc.aio, uvloop, redis-py with hiredis, ONNX Runtime: an afternoon's work",
    folder=Path(__file__).parent,
    command=lambda site: (str(site.python), PEER.server),
    cases=(score_case(differs=READY_VALUES), vector_case()),
)
