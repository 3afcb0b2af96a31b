"""The measurement: in each round, each server is started, checked against the reference, loaded and stopped, one by one."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.peers.calling import WrongAnswerError, check
from benchmarks.peers.dataset import Dataset, Sample
from benchmarks.peers.environments import EnvironmentMakingError, environment_python
from benchmarks.peers.generator import GeneratorError, Measured, load, write_bodies
from benchmarks.peers.peer import Peer, Site, Task
from benchmarks.peers.ports import free_port
from benchmarks.peers.presage_itself import OURS
from benchmarks.peers.ranking_data import RankingData
from benchmarks.peers.running import PeerStartError, prepare, running
from benchmarks.peers.store import Store
from benchmarks.rig.server_parts import shipped_models

__all__ = ["IN_FLIGHT", "Key", "Outcome", "measure"]

IN_FLIGHT = (1, 16, 64)
"""Calls in flight."""

_CHECKED_CALLS = 25
_TARGETS = 20_000
_ROWS, _ITEMS, _RANKER, _MODELS = "rows.npz", "items.npz", "ranker.txt", "models"
"""What peers and Presage read."""
_ROOT = Path(__file__).parents[2]
_FAILURES = (EnvironmentMakingError, PeerStartError, WrongAnswerError, GeneratorError, OSError)


@dataclass(frozen=True, order=True, slots=True)
class Key:
    """What one row of the table is about."""

    task: Task
    peer: str
    variant: str


@dataclass(slots=True)
class Outcome:
    """All that was measured, and what could not be."""

    measured: dict[Key, list[Measured]] = field(default_factory=dict)
    """By round and calls in flight, in order."""
    failures: dict[str, str] = field(default_factory=dict)
    """Why a peer was not measured, or not to the end."""


def measure(  # noqa: PLR0917 - each is needed, and there is one caller
    peers: Sequence[Peer],
    dataset: Dataset | None,
    store: Store,
    rounds: int,
    seconds: float,
    in_flight: Sequence[int] = IN_FLIGHT,
    *,
    ranking: RankingData | None = None,
) -> Outcome:
    """Measure peers in interleaved rounds; one that fails is skipped from there on, and the reason kept.

    Args:
        peers: With cases of tasks that there are calls for.
        dataset: Makes the calls of all tasks but ``Task.RANK``; None if there are no cases of them.
        store: Filled from both.
        rounds: How often each peer is measured.
        seconds: The length of each load.
        in_flight: Calls in flight, one load for each number.
        ranking: The calls of ``Task.RANK``; None if there are no cases of it.
    """
    outcome = Outcome()
    samples: dict[Task, Sequence[Sample]] = {}
    with tempfile.TemporaryDirectory(prefix="presage-peers-") as name:
        folder = Path(name)
        if dataset is not None:
            others = [task for task in Task if task is not Task.RANK]
            samples |= {task: list(dataset.samples(task.visitors, _TARGETS // task.visitors)) for task in others}
            dataset.save(folder / _ROWS)
        if ranking is not None:
            samples[Task.RANK] = ranking.samples
            ranking.save(folder / _ITEMS)
            ranking.save_models(folder / _RANKER, folder / _MODELS)
        sites: dict[str, Site] = {}
        for number in range(rounds):
            for peer in peers:
                if peer.name in outcome.failures:
                    continue
                print(f"round {number + 1} of {rounds}: {peer.name}", flush=True)
                try:
                    if peer.name not in sites:
                        sites[peer.name] = _site(peer, store, folder)
                    # Ports that were free in another round may be in use by now.
                    site = replace(sites[peer.name], port=free_port(), spare_port=free_port())
                    _measure(peer, site, samples, seconds, in_flight, outcome)
                except _FAILURES as error:
                    outcome.failures[peer.name] = f"round {number + 1}: {error}"
                    print(f"{peer.name}: {error}", flush=True)
    return outcome


def _measure(  # noqa: PLR0917 - as above
    peer: Peer,
    site: Site,
    samples: Mapping[Task, Sequence[Sample]],
    seconds: float,
    in_flight: Sequence[int],
    outcome: Outcome,
) -> None:
    with running(peer, site, {task: some[0] for task, some in samples.items()}) as cpu_seconds:
        for case in peer.cases:
            check(case, site.port, samples[case.task][:_CHECKED_CALLS])
        for case in peer.cases:
            bodies = site.folder / "bodies"
            write_bodies(map(case.encode, samples[case.task]), bodies)
            results = outcome.measured.setdefault(Key(case.task, peer.name, case.variant), [])
            for number in in_flight:
                results.append(
                    load(case, site.port, bodies, in_flight=number, seconds=seconds, cpu_seconds=cpu_seconds)
                )
        for case in peer.cases:  # still right after all that
            check(case, site.port, samples[case.task][-_CHECKED_CALLS:])


def _site(peer: Peer, store: Store, shared: Path) -> Site:
    """Find a place for a peer in the folder that all share, and prepare it unless another one has."""
    folder = shared / (peer.prepared_as or peer.name)
    site = Site(
        python=Path(sys.executable) if peer.name.startswith(OURS) else environment_python(peer),
        port=free_port(),
        spare_port=free_port(),
        redis_url=store.url,
        redis_port=store.port,
        model=shipped_models() / "conversion" / "3" / "model.onnx",
        original=_ROOT / "tests" / "data" / "conversion-3.txt",
        rows=shared / _ROWS,
        items=shared / _ITEMS,
        ranker=shared / _RANKER,
        models=shared / _MODELS if (shared / _MODELS).exists() else shipped_models(),
        folder=folder,
    )
    prepared = folder / "prepared"
    if not prepared.exists():
        folder.mkdir(exist_ok=True)
        prepare(peer, site)
        prepared.touch()
    return site
