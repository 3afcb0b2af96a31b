"""A server that ranks a shop's items: its store with visitors and items, and its models."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import grpc

from benchmarks.ranking.calls import SERVICE, rank_calls
from benchmarks.ranking.world import World
from benchmarks.rig.calls import Call, save_calls
from benchmarks.rig.load import Calls
from benchmarks.rig.rig import Rig
from benchmarks.rig.server_parts import shipped_models, store_items
from benchmarks.rig.serving import Server
from presage.v1 import ranking_service_pb2

__all__ = ["check_ranking", "copy_models", "start_ranking", "write_rank_calls"]

_SCORES = "conversion"
_CALL_SECONDS = 10.0
_CHECKED_CALLS = 200


def copy_models(folder: Path) -> Path:
    """Copy the shipped model of scores into a folder, so that a ranking one can be added; returns it."""
    shutil.copytree(shipped_models() / _SCORES, folder / _SCORES)
    return folder


def start_ranking(rig: Rig, world: World, *flags: str) -> Server:
    """Start a server that ranks the world's items, with a store of its own.

    Args:
        rig: What it ends with.
        world: Its states go to the rig's visitors in turn.
        flags: Further flags of ``presage serve``.
    """
    models = copy_models(rig.folder / "models")
    world.write_bundle(models)
    url = rig.start_store(states=world.states)
    store_items(url, world.columns)
    return rig.start_presage(url, "--models", str(models), *flags)


def write_rank_calls(rig: Rig, world: World, scenario: str, visitors: int) -> Calls:
    """Write the calls of a scenario to a file of the rig."""
    return save_calls(rig.folder / scenario, rank_calls(scenario, world, visitors), service=SERVICE)


def check_ranking(address: str, calls: Iterable[Call]) -> int:
    """Look at some answers: all of the items asked for, each once and known, best first, by a model that knew the visitor.

    Returns:
        How many answers were looked at.

    Raises:
        RuntimeError: One is not as it has to be.
    """
    checked = 0
    with grpc.insecure_channel(address) as channel:
        for (method, request), _ in zip(calls, range(_CHECKED_CALLS), strict=False):
            answer = channel.unary_unary(SERVICE + method)(request, timeout=_CALL_SECONDS)
            _check(
                ranking_service_pb2.RankRequest.FromString(request), ranking_service_pb2.RankResponse.FromString(answer)
            )
            checked += 1
    return checked


def _check(request: ranking_service_pb2.RankRequest, response: ranking_service_pb2.RankResponse) -> None:
    ids, scores = [item.item_id for item in response.items], [item.score for item in response.items]
    faults = {
        "items": len(set(ids)) != (request.k or 20),
        "candidates": bool(request.candidate_ids) and not set(ids) <= set(request.candidate_ids),
        "order": scores != sorted(scores, reverse=True),
        "cold": any(item.cold for item in response.items),
        "basis": response.basis.cold_start or response.basis.degraded or response.basis.epoch <= 0,
    }
    if found := [name for name, is_faulty in faults.items() if is_faulty]:
        raise RuntimeError(f"a ranking for {request.user_id} is wrong in {', '.join(found)}: {str(response)[:500]}")
