"""Feast with its Redis online store, called through its own REST server, ``feast serve``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.contract import READY_VALUES
from benchmarks.peers.dataset import FEATURES, Sample
from benchmarks.peers.json_calls import json_case
from benchmarks.peers.peer import Case, Peer, Task

__all__ = ["PEER"]

_COMMON = Path(__file__).parents[1] / "common"


def _case(task: Task, service: str) -> Case:
    def request(sample: Sample) -> dict[str, Any]:
        # Precomputed vectors are found only under full names.
        return {"feature_service": service, "entities": {"user_id": sample.user_ids}, "full_feature_names": True}

    return json_case(task, "/get-online-features", request, _read, variant=service, differs=READY_VALUES)


def _read(answer: dict[str, Any]) -> Sequence[float]:
    # One column for each feature, in any order; wanted is one row for each visitor, in the model's order.
    names = answer["metadata"]["feature_names"]
    columns = {name: column["values"] for name, column in zip(names, answer["results"], strict=True)}
    return [value for row in zip(*(columns[f"conversion__{name}"] for name in FEATURES), strict=True) for value in row]


PEER: Peer = Peer(
    name="feast_rest",
    what="Feast with its Redis online store (redis-py, hiredis, over TCP), feast serve with one worker",
    folder=Path(__file__).parent,
    prepare=lambda site: (str(site.python), str(_COMMON / "feast_repo.py")),
    prepared_as="feast",
    command=lambda site: (
        *(str(site.python), "-m", "feast.cli.cli", "-c", str(site.folder), "serve"),
        *("--host", "127.0.0.1", "--port", str(site.port), "--no-access-log", "--max-requests", "1000000000"),
    ),
    cases=tuple(
        _case(task, service) for task in (Task.FEATURES, Task.FEATURES_100) for service in ("plain", "precomputed")
    ),
)
