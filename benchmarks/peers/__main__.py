"""``python -m benchmarks.peers``: measure Presage and its peers, print tables, write JSON.

Each peer runs in a virtual environment of its own. In every round each server is started, its answers are compared with the
reference, it is loaded and stopped, one after the other, so that what else the machine does affects all alike.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.dataset import make_dataset
from benchmarks.peers.peer import Peer, Task
from benchmarks.peers.presage_itself import OURS, PRESAGES, TRANSPORTS
from benchmarks.peers.ranking_data import make_ranking_data
from benchmarks.peers.report import print_report, write_json
from benchmarks.peers.rounds import IN_FLIGHT, measure
from benchmarks.peers.store import peers_store
from benchmarks.rig.build import build_program
from benchmarks.rig.command import FAILED, run_benchmark

__all__ = ["chosen", "main"]


def main(arguments: list[str] | None = None) -> int:
    """Measure; returns an exit code, 1 if a peer could not be measured to the end."""
    options = _options(arguments)
    return run_benchmark("bench-peers", lambda _: _run(options))


def _run(options: argparse.Namespace) -> int:
    build_program("load")
    peers = chosen(options.only, options.tasks, options.transport)
    tasks = {case.task for peer in peers for case in peer.cases}
    dataset = make_dataset(options.visitors) if tasks - {Task.RANK} else None
    ranking = make_ranking_data(options.items) if Task.RANK in tasks else None
    with peers_store() as store:
        if dataset is not None:
            print(f"{options.visitors:,} visitors", flush=True)
            dataset.fill(store.url)
        if ranking is not None:
            print(f"{options.items:,} items", flush=True)
            ranking.fill(store.url)
        how = (options.rounds, options.seconds, options.in_flight)
        outcome = measure(peers, dataset, store, *how, ranking=ranking)
    print_report(outcome, peers, options.rounds)
    if options.to:
        named = {name: getattr(options, name) for name in ("rounds", "seconds", "visitors", "items", "in_flight")}
        write_json(options.to, outcome, peers, named)
        print(f"every figure: {options.to}")
    return FAILED if outcome.failures else 0


def chosen(only: list[str] | None, tasks: list[Task], transports: Sequence[str] = TRANSPORTS) -> list[Peer]:
    """Choose what to measure: Presage with some transports and the peers named, or all, with their cases of some tasks."""
    presages = (peer for peer in PRESAGES if peer.name.removeprefix(OURS) in transports)
    peers = (*presages, *(peer for peer in PEERS if not only or peer.name in only))
    cases = ((peer, tuple(case for case in peer.cases if case.task in tasks)) for peer in peers)
    return [replace(peer, cases=some) for peer, some in cases if some]


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers")
    names = [peer.name for peer in PEERS]
    parser.add_argument("--only", nargs="+", choices=names, help="these peers, and Presage; all by default")
    parser.add_argument("--transport", nargs="+", choices=TRANSPORTS, default=list(TRANSPORTS), help="of Presage")
    parser.add_argument("--tasks", nargs="+", type=Task, choices=list(Task), default=list(Task))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each load lasts, after half a second")
    parser.add_argument("--visitors", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=100_000, help="that are ranked")
    parser.add_argument("--in-flight", type=int, nargs="+", default=list(IN_FLIGHT))
    parser.add_argument("--to", type=Path, help="a file for the figures, as JSON")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
