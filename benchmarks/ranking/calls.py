"""The calls of Rank: for visitors of a store that got a shop's states in turn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.ranking.shop import item_id
from benchmarks.ranking.world import World
from benchmarks.rig.calls import Call
from benchmarks.rig.visitors import user_id
from presage.v1 import ranking_service_pb2

__all__ = ["CANDIDATES", "SCENARIOS", "SERVICE", "rank_calls"]

SERVICE = "/presage.v1.RankingService/"
CANDIDATES = 100
"""Items of a call that names some."""
_CALLS = 2_000

SCENARIOS = {
    "rank_100": (CANDIDATES, 20),
    "rank_100_k100": (CANDIDATES, CANDIDATES),
    "rank_found": (0, 20),
}
"""By permanent names: how many candidates a call has, where 0 means that Presage finds them, and its ``k``."""


def rank_calls(scenario: str, world: World, visitors: int, *, seed: int = 1) -> Iterator[Call]:
    """Make the calls of a scenario, about visitors whose states are the world's in turn."""
    candidates, k = SCENARIOS[scenario]
    random = np.random.default_rng(seed)
    for visitor in random.integers(visitors, size=_CALLS).tolist():
        own = world.seen[visitor % len(world.seen)]
        ids = [item_id(number) for number in world.shop.candidates(random, own, candidates)] if candidates else []
        yield (
            "Rank",
            ranking_service_pb2.RankRequest(
                user_id=user_id(visitor), candidate_ids=ids, k=k, as_of_unix_micros=world.shop.end_unix_micros
            ).SerializeToString(),
        )
