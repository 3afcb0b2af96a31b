"""Feast's library in process, with ONNX Runtime, behind grpc.aio and Presage's own contract."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers.contract import READY_VALUES, features_100_case, features_case, items_case, score_case
from benchmarks.peers.peer import Peer

__all__ = ["PEER"]

_COMMON = Path(__file__).parents[1] / "common"
_READS = "a part of the work: it only reads 20 ready values of each of the 100 items; nothing is ranked"

PEER: Peer = Peer(
    name="feast_sdk",
    what="Feast's library with its Redis online store (redis-py, hiredis, over TCP), ONNX Runtime, grpc.aio, uvloop",
    folder=Path(__file__).parent,
    prepare=lambda site: (str(site.python), str(_COMMON / "feast_repo.py")),
    prepared_as="feast",
    command=lambda site: (str(site.python), PEER.server),
    cases=(
        *(
            case(variant=service, named=service, differs=READY_VALUES)
            for case in (score_case, features_case, features_100_case)
            for service in ("plain", "precomputed")
        ),
        *(
            items_case(variant=f"reads only, {service}", named=f"items_{service}", differs=_READS)
            for service in ("plain", "precomputed")
        ),
    ),
)
