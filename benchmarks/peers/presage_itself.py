"""Presage, started and called as its peers are."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.contract import features_100_case, features_case, rank_case, score_case, vector_case
from benchmarks.peers.peer import Peer, Site

__all__ = ["OURS", "PRESAGES", "TRANSPORTS"]

TRANSPORTS = ("native", "grpcio")
"""Those of Presage."""

OURS = "presage_"
"""What names of Presage begin with."""

_CASES = (
    score_case(),
    vector_case(),
    features_case(),
    features_100_case(differs="more work: 100 scores come with them"),
    rank_case(),
)


def _presage(transport: str) -> Peer:
    def command(site: Site) -> Sequence[str]:
        return (
            *(sys.executable, "-m", "presage_server", "serve", "--transport", transport),
            *("--port", str(site.port), "--redis-url", site.redis_url, "--models", str(site.models)),
        )

    return Peer(
        name=f"{OURS}{transport}",
        what=f"presage serve --transport {transport}, one process",
        folder=Path(__file__).parent,
        command=command,
        cases=_CASES,
    )


PRESAGES = tuple(map(_presage, TRANSPORTS))
"""Presage with each of its transports."""
