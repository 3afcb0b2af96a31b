"""LitServe over HTTP: the whole score and the model only."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers.contract import READY_VALUES
from benchmarks.peers.json_calls import json_case, one_user, vectors_of
from benchmarks.peers.peer import Peer, Task

__all__ = ["PEER"]

PEER: Peer = Peer(
    name="litserve_http",
    what="LitServe with one API server and one worker for each path, redis-py with hiredis, ONNX Runtime",
    folder=Path(__file__).parent,
    command=lambda site: (str(site.python), PEER.server),
    cases=(
        json_case(Task.SCORE, "/score", one_user, lambda answer: answer["scores"], differs=READY_VALUES),
        json_case(Task.VECTOR, "/vectors", vectors_of, lambda answer: answer["scores"]),
    ),
)
