"""FastAPI + uvicorn (uvloop, httptools) + redis-py (hiredis) + LightGBM's ``Booster.predict``."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers.contract import FEWER_FEATURES, READY_VALUES
from benchmarks.peers.json_calls import json_case, one_user, ranking_of, ranking_request, vectors_of
from benchmarks.peers.peer import Peer, Task

__all__ = ["PEER"]

PEER: Peer = Peer(
    name="by_hand_fastapi",
    what="FastAPI, uvicorn with uvloop and httptools, redis-py with hiredis, LightGBM: another afternoon's work",
    folder=Path(__file__).parent,
    command=lambda site: (str(site.python), PEER.server),
    cases=(
        json_case(Task.SCORE, "/score", one_user, lambda answer: answer["scores"], differs=READY_VALUES),
        json_case(Task.VECTOR, "/vectors", vectors_of, lambda answer: answer["scores"]),
        json_case(Task.RANK, "/rank", ranking_request, ranking_of, differs=FEWER_FEATURES),
    ),
)
