"""Proves that a cluster is a store like any other: ``python -m benchmarks.proofs.cluster_proof``.

1. The real logs go through a server on three masters with a replica each, as in ``skew_proof``, while slots move one by one and at
   once, and a replica takes over. Every state and vector is compared with an offline fold of the same file.
2. A master is killed under load. Replication is asynchronous, so what it acknowledged last may be lost with it: that is counted.
   What the servers recorded is replayed, and every state compared with it, bit for bit.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.proofs.cluster_operations import (
    Step,
    fail_over,
    lose_a_master,
    migrate_atomically,
    reshard,
    steps_beside,
)
from benchmarks.proofs.skew_proof import DATA, LOGS, prove, show
from benchmarks.rig.local_cluster import LocalCluster, local_cluster
from benchmarks.rig.server_parts import PARTITIONS, REVISION_BYTES, state_key, stream_key
from benchmarks.rig.serving import presage_serve
from presage_client import AsyncClient, ClientOptions, Event, EventType, PresageError
from presage_featurizer import decode_event, encode_state
from presage_training.replaying.replay import Replay

__all__ = ["KillProof", "main", "prove_kill", "prove_logs"]

_RESHARDED, _MIGRATED = 300, 500
_FIRST_STEP_SECONDS = 3.0
_LANES = 64
_VISITORS_PER_LANE = 8
_LOAD_SECONDS = 12.0
_PATIENT = ClientOptions(timeout_ms=5_000, max_attempts=5)
_PAUSE_SECONDS = 0.02


@dataclass(kw_only=True, slots=True)
class KillProof:
    """What came of a load beside which a master was killed."""

    steps: Sequence[tuple[str, float]] = ()
    acknowledged: set[str] = field(default_factory=set)
    """Ids of events that a server said it had stored."""
    errors: Counter[str] = field(default_factory=Counter)
    """Calls that failed, by error, although the client had tried again; the event was then sent once more."""
    longest_seconds: float = 0.0
    """The longest call that was answered."""
    logged: int = 0
    lost: int = 0
    """Acknowledged events that are in no stream."""
    twice: int = 0
    """Events that are in the streams more than once."""
    differing: int = 0
    """Visitors whose state is not that of their events in the streams."""

    @property
    def holds(self) -> bool:
        """Whether nothing was counted twice, and every state is that of its events."""
        return not self.twice and not self.differing


def prove_logs(cluster: LocalCluster, console: Console) -> int:
    """Run the skew proof on a cluster that is changed meanwhile; return an exit code."""
    steps = (reshard(cluster, _RESHARDED), migrate_atomically(cluster, _MIGRATED), fail_over(cluster))
    proofs = {}
    for name, log_format in LOGS.items():
        taken: list[tuple[str, float]] = []

        @contextmanager
        def beside(into: list[tuple[str, float]] = taken) -> Iterator[None]:
            with steps_beside(steps, first_after_seconds=_FIRST_STEP_SECONDS) as done:
                yield
            into.extend(done)

        proofs[name] = prove(DATA / name, log_format, on=partial(_emptied, cluster), beside=beside)
        print(proofs[name].summary)
        print("meanwhile:", ", ".join(f"{step} ({seconds:.1f} s)" for step, seconds in taken))
    lost = sum(proof.events - proof.logged for proof in proofs.values())
    differing = sum(len(proof.differing) for proof in proofs.values())
    code = show(proofs, console)
    print(
        f"{sum(proof.vectors for proof in proofs.values()):,} vectors compared: {differing} differ; {lost} events lost"
    )
    return code


def prove_kill(cluster: LocalCluster, steps: Sequence[Step], *, load_seconds: float = _LOAD_SECONDS) -> KillProof:
    """Send events to two servers while steps are taken, then compare what is stored with what was recorded."""
    proof = KillProof()
    with (
        _emptied(cluster) as (url, _),
        presage_serve(url, "--stream-max-events", "0") as one,
        presage_serve(url, "--stream-max-events", "0") as other,
    ):
        with steps_beside(steps, first_after_seconds=load_seconds / 4) as proof.steps:
            asyncio.run(_send((one, other), proof, load_seconds))
        with cluster.client() as store:
            _compare(store, proof)
    return proof


def main() -> int:
    """Prove it; returns an exit code, 1 if anything differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kill-only", action="store_true", help="leave the logs out")
    options = parser.parse_args()
    console = Console()
    missing = [name for name in LOGS if not (DATA / name).exists()]
    code = 0
    if missing:
        console.print(f"cluster-proof: no log compared, because {', '.join(missing)} is not at {DATA}")
    elif not options.kill_only:
        with local_cluster() as cluster:
            code = prove_logs(cluster, console)
    with local_cluster() as cluster:
        proof = prove_kill(cluster, [lose_a_master(cluster)])
    console.print(_table(proof))
    return code if proof.holds else 1


@contextmanager
def _emptied(cluster: LocalCluster) -> Iterator[tuple[str, Any]]:
    for server in cluster.servers:
        if server.is_primary:
            server.redis.flushall()
    with cluster.client() as client:
        yield cluster.url, client


async def _send(addresses: Sequence[str], proof: KillProof, seconds: float) -> None:
    until = time.monotonic() + seconds
    async with AsyncClient(addresses[0], options=_PATIENT) as one, AsyncClient(addresses[1], options=_PATIENT) as other:

        async def lane(number: int) -> None:
            count = 0
            while time.monotonic() < until:
                user_id = f"visitor-{number}-{count % _VISITORS_PER_LANE}"
                event = Event(type=EventType.VIEW_ITEM, user_id=user_id, event_id=f"e-{number}-{count}")
                await _track((one, other)[(number + count) % 2], event, proof)
                count += 1

        async with asyncio.TaskGroup() as group:
            for number in range(_LANES):
                group.create_task(lane(number))


async def _track(client: AsyncClient, event: Event, proof: KillProof) -> None:
    while True:
        began = time.monotonic()
        try:
            await client.track(event)
        except PresageError as error:
            proof.errors[type(error).__name__] += 1
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            proof.acknowledged.add(event.event_id)
            proof.longest_seconds = max(proof.longest_seconds, time.monotonic() - began)
            return


def _compare(store: Any, proof: KillProof) -> None:
    replay, logged = Replay(), Counter[str]()
    for partition in range(PARTITIONS):
        for _, fields in store.xrange(stream_key(partition)):
            event = decode_event(fields[b"event"])
            logged[event.event_id] += 1
            replay.fold(event, fresh=b"fresh" in fields)
    proof.logged = logged.total()
    proof.lost = len(proof.acknowledged - logged.keys())
    proof.twice = sum(count > 1 for count in logged.values())
    for user_id, state in replay.states.items():
        blob = store.get(state_key(user_id))
        proof.differing += blob is None or blob[REVISION_BYTES:] != encode_state(state)


def _table(proof: KillProof) -> Table:
    table = Table("", "", title="a master killed under load", title_justify="left", show_header=False)
    for name, shown in (
        *((name, f"{seconds:.1f} s until its replica had taken over") for name, seconds in proof.steps),
        ("events acknowledged", f"{len(proof.acknowledged):,}"),
        ("events in the streams", f"{proof.logged:,}"),
        ("acknowledged, but lost with the master", f"{proof.lost:,}"),
        ("counted twice", f"{proof.twice:,}"),
        ("states that are not those of their events", f"{proof.differing:,}"),
        (
            "calls that failed, sent again",
            ", ".join(f"{count:,} {name}" for name, count in proof.errors.items()) or "0",
        ),
        ("longest call that was answered", f"{proof.longest_seconds:.2f} s"),
    ):
        table.add_row(name, shown)
    return table


if __name__ == "__main__":
    sys.exit(main())
