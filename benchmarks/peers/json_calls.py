"""How calls in JSON over HTTP/1.1 are made and read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.peers.dataset import Sample
from benchmarks.peers.peer import Case, Protocol, Task, number_parts

__all__ = ["json_case", "one_user", "ranking_of", "ranking_request", "vectors_of"]


def json_case(
    task: Task,
    path: str,
    request: Callable[[Sample], Any],
    read: Callable[[Any], Sequence[float]],
    *,
    variant: str = "",
    differs: str = "",
) -> Case:
    """Make a case of a POST with JSON both ways."""
    return Case(
        task=task,
        protocol=Protocol.HTTP1,
        path=path,
        encode=lambda sample: json.dumps(request(sample), separators=(",", ":")).encode(),
        decode=lambda answer: read(json.loads(answer)),
        variant=variant,
        differs=differs,
    )


def one_user(sample: Sample) -> dict[str, str]:
    """Make a request for the sample's visitor."""
    (user_id,) = sample.user_ids
    return {"user_id": user_id}


def vectors_of(sample: Sample) -> dict[str, list[list[float]]]:
    """Send the sample's rows."""
    return {"vectors": sample.rows.tolist()}


def ranking_request(sample: Sample) -> dict[str, Any]:
    """Make a request that ranks the sample's items."""
    as_of = {"as_of_unix_micros": sample.as_of_unix_micros}
    return {**one_user(sample), "candidate_ids": sample.item_ids, **as_of}


def ranking_of(answer: dict[str, Any]) -> list[float]:
    """Read ranked items as numbers, as ``Task.RANK`` expects them."""
    pairs = zip(answer["item_ids"], answer["scores"], strict=True)
    return [part for item, score in pairs for part in (*number_parts(item), score)]
