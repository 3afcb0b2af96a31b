"""Ray Serve over gRPC with Presage's own contract."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers.contract import READY_VALUES, score_case, vector_case
from benchmarks.peers.peer import Peer

__all__ = ["PEER"]

PEER: Peer = Peer(
    name="ray_serve",
    what="Ray Serve, gRPC, one replica, redis-py with hiredis, ONNX Runtime",
    folder=Path(__file__).parent,
    command=lambda site: (str(site.python), PEER.server),
    cases=(score_case(differs=READY_VALUES), vector_case()),
    variables={
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_worker_niceness": "0",  # 15 otherwise: it would be last in line on a busy machine
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # all of Ray on loopback; asked otherwise, it takes the machine's address
    },
    start_seconds=120.0,
)
