"""Proves that servers of two releases can be replaced one by one on one store, and that the newer reads what the older wrote.

``python -m benchmarks.proofs.upgrade_proof --base REVISION``. Two servers of the base take events of simulated visitors. Meanwhile,
first one and then the other is replaced by a server of this checkout; callers try another server when one goes away, or says that a
newer one has written the visitor. Then the event log is compared with what was acknowledged, and what the new servers say of each
visitor with a replay of the log.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

import numpy as np
import redis
from grpc import StatusCode
from rich.console import Console

from benchmarks.rig.checkouts import Checkout, CheckoutError, run_in, this_checkout
from benchmarks.rig.command import FAILED, run_benchmark, write_json
from benchmarks.rig.server_parts import verify_aside
from benchmarks.rig.serving import local_store, presage_process
from benchmarks.rig.stored_events import read_events
from presage_client import AsyncClient, ClientOptions, PresageError
from presage_featurizer import CONVERSION, Event, featurize
from presage_featurizer.codec import STATE_VERSION
from presage_training.replaying.replay import Replay
from presage_training.simulator import simulate
from presage_training.traffic.sending import client_event

__all__ = ["Proof", "main", "prove"]

_START_UNIX_MICROS = 1_714_521_600_000_000
_FLAGS = ("--stream-max-events", "0")
_CALLERS = 8
_MOST_TRIES = 50
_VERSION = "from presage_featurizer.codec import STATE_VERSION; print(STATE_VERSION)"


@dataclass(kw_only=True, slots=True)
class Proof:
    """The result."""

    base: str
    state_versions: tuple[int, int]
    """Of the base and of this checkout."""
    events: int = 0
    acknowledged: int = 0
    lost: int = 0
    """Events that were acknowledged and are not in the log."""
    twice: int = 0
    """Events that are in the log more than once."""
    refused_by_base: int = 0
    """Times that a server of the base met a state that a newer one had written, and left it alone."""
    tried_elsewhere: int = 0
    """Times that a call failed because its server was going away, and was sent to another."""
    visitors: int = 0
    unreadable: int = 0
    """Visitors that the new servers do not know, or cannot read."""
    as_replayed: int = 0
    """Visitors whose features are those of a replay of the whole log by this checkout, bit for bit."""
    bundles: dict[str, str] = field(default_factory=dict)
    """The base's own: served by this checkout, or why not."""

    @property
    def holds(self) -> bool:
        """Whether all is as it has to be. States of an older version lack what it did not keep, so their features may differ."""
        same = self.state_versions[0] == self.state_versions[1]
        return (
            self.events == self.acknowledged
            and not (self.lost or self.twice or self.unreadable)
            and (not same or (self.as_replayed == self.visitors and not self.refused_by_base))
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, and print the result; 1 if it does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proofs.upgrade_proof")
    parser.add_argument("--base", nargs="+", required=True, help="older revisions, one after another")
    parser.add_argument("--visitors", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--to", type=Path, help="a file for the results, as JSON")
    given = parser.parse_args(arguments)

    def run(console: Console) -> int:
        proofs = []
        for base in given.base:
            with console.status(f"from {base}"):
                proofs.append(prove(base, visitors=given.visitors, seed=given.seed))
            console.print(proofs[-1], highlight=False)
        write_json(given.to, [asdict(proof) for proof in proofs])
        return 0 if all(proof.holds for proof in proofs) else FAILED

    return run_benchmark("upgrade-proof", run)


def prove(base: str, *, visitors: int, seed: int = 1) -> Proof:
    """Roll from one revision to this checkout.

    Args:
        base: The older revision; it has to run with the libraries that are installed.
        visitors: How many are simulated, each with about 15 events.
        seed: Of the simulation, and of which server gets which event.
    """
    with ExitStack() as stack:
        old = stack.enter_context(_files_of(base))
        proof = Proof(base=base, state_versions=(int(run_in(old, "-c", _VERSION)), STATE_VERSION))
        url = stack.enter_context(local_store())
        events = simulate(seed=seed, visitors=visitors, start_unix_micros=_START_UNIX_MICROS, days=14)
        asyncio.run(_roll(proof, old, url, events, Random(seed)))
        with redis.Redis.from_url(url) as client:
            log = list(read_events(client))
        with presage_process(url, *_FLAGS) as (address, _):
            asyncio.run(_compare(proof, address, log))
        counted = Counter(event.event_id for event, _ in log)
        proof.lost = sum(event.event_id not in counted for event in events)
        proof.twice = sum(count > 1 for count in counted.values())
        models = old.folder / "models"
        keys = [
            (path.parent.name, path.name) for path in sorted(models.glob("*/*/")) if (path / "manifest.json").exists()
        ]
        for (name, version), problem in verify_aside(models, keys).items():
            proof.bundles[f"{name} {version}"] = problem or "served"
    return proof


@contextmanager
def _files_of(revision: str) -> Iterator[Checkout]:
    """Write the files of a revision to a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="presage-base-") as folder:
        here = this_checkout().folder
        archive = subprocess.run(("git", "-C", str(here), "archive", revision), capture_output=True, check=False)
        if archive.returncode:
            raise CheckoutError(f"expected a revision of this repository, got {revision!r}")
        subprocess.run(("tar", "-x", "-C", folder), input=archive.stdout, check=True)
        yield Checkout(folder=Path(folder))


async def _roll(proof: Proof, old: Checkout, url: str, events: Sequence[Event], random: Random) -> None:
    """Send all events, and replace the servers meanwhile."""
    clean, ours = (
        {name: value for name, value in environment.items() if not name.startswith("PRESAGE_")}
        # Nothing is ranked here, and files that were just written would be compiled for a minute.
        | {"NUMBA_DISABLE_JIT": "1"}
        for environment in (old.environment, os.environ)
    )
    by_visitor: dict[str, list[Event]] = {}
    for event in events:
        by_visitor.setdefault(event.user_id, []).append(event)
    proof.events = len(events)
    live: list[AsyncClient] = []
    newest: list[AsyncClient] = []
    async with AsyncExitStack() as clients:
        with ExitStack() as servers:

            async def start(environment: dict[str, str], python: str) -> tuple[AsyncClient, ExitStack]:
                server = servers.enter_context(ExitStack())
                running = presage_process(url, *_FLAGS, python=python, environment=environment)
                address, _ = await asyncio.to_thread(server.enter_context, running)
                client = AsyncClient(address, options=ClientOptions(timeout_ms=20_000))
                return await clients.enter_async_context(client), server

            async def send(event: Event) -> None:
                prefer_newest = False
                for _ in range(_MOST_TRIES):
                    client = newest[-1] if prefer_newest and newest else random.choice(live)
                    try:
                        await client.track(client_event(event))
                    except PresageError as error:
                        prefer_newest = error.code is StatusCode.FAILED_PRECONDITION
                        proof.refused_by_base += prefer_newest
                        proof.tried_elsewhere += not prefer_newest
                        await asyncio.sleep(0.02)
                    else:
                        proof.acknowledged += 1
                        return
                raise RuntimeError(f"event {event.event_id} was not taken in {_MOST_TRIES} tries")

            async def send_all(number: int) -> None:
                mine = [visits for place, visits in enumerate(by_visitor.values()) if place % _CALLERS == number]
                # One event of each in turn, so that all visitors are in the middle when the servers change.
                while mine := [visits for visits in mine if visits]:
                    for visits in mine:
                        await send(visits.pop(0))

            async def replace() -> None:
                for share, (client, server), (new_client, _) in zip((1 / 3, 2 / 3), replaced, replacing, strict=True):
                    while proof.acknowledged < share * proof.events:  # noqa: ASYNC110 - a poll is simplest
                        await asyncio.sleep(0.01)
                    newest.append(new_client)
                    live.append(new_client)
                    while proof.acknowledged < (share + 0.2) * proof.events:  # noqa: ASYNC110 - both releases serve for a while
                        await asyncio.sleep(0.01)
                    await asyncio.to_thread(server.close)  # SIGTERM, while it still gets calls
                    live.remove(client)

            replaced = [await start(clean, old.python) for _ in range(2)]
            live += [client for client, _ in replaced]
            # Started before they are needed: all events would be sent while they start.
            replacing = [await start(ours, sys.executable) for _ in range(2)]
            async with asyncio.TaskGroup() as group:
                group.create_task(replace())
                for number in range(_CALLERS):
                    group.create_task(send_all(number))


async def _compare(proof: Proof, address: str, log: Sequence[tuple[Event, bool]]) -> None:
    """Ask a new server for every visitor's features, and compare them with a replay."""
    replay = Replay(CONVERSION.aggregates)
    last: dict[str, Event] = {}
    for event, fresh in log:
        replay.fold(event, fresh=fresh)
        last[event.user_id] = max(event, last.get(event.user_id, event), key=lambda one: one.event_time_unix_micros)
    proof.visitors = len(last)
    async with AsyncClient(address, options=ClientOptions(timeout_ms=20_000)) as client:
        for user_id, event in last.items():
            at = event.event_time_unix_micros
            score = await client.score(user_id, as_of_unix_micros=at, include_features=True)
            proof.unreadable += score.cold_start or score.degraded
            assert score.features is not None
            served = np.array(list(score.features.values()), np.float32)
            proof.as_replayed += bool(np.array_equal(served, featurize(replay.states[user_id], at, CONVERSION)))


if __name__ == "__main__":
    sys.exit(main())
