"""BentoML over HTTP: the whole score and the model only."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers.contract import READY_VALUES
from benchmarks.peers.json_calls import json_case, one_user, vectors_of
from benchmarks.peers.peer import Peer, Task

__all__ = ["PEER"]

_HERE = Path(__file__).parent

PEER: Peer = Peer(
    name="bentoml_http",
    what="BentoML with one worker, redis-py with hiredis, ONNX Runtime",
    folder=_HERE,
    command=lambda site: (
        *(str(site.python), "-m", "bentoml", "serve", "server:Scoring", "--working-dir", str(_HERE)),
        *("--host", "127.0.0.1", "--port", str(site.port)),
    ),
    cases=(
        json_case(Task.SCORE, "/score", one_user, lambda answer: [float(answer)], differs=READY_VALUES),
        json_case(Task.VECTOR, "/vectors", vectors_of, lambda answer: answer),
    ),
)
