"""Proves that the whole loop tells versions apart by known truth: ``python -m benchmarks.proofs.planted``.

Simulated visitors send events to one server and are scored by three models, whose challengers are planted: a worse, a better and
an equal one. ``presage archive`` archives all of it, and after every part of the traffic the learner's steps judge the challengers
by the visitors' outcomes: 60 looks in all. Decisions change the aliases, and the server follows without a restart.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.proofs.planted.proof import Proof, prove
from benchmarks.rig.command import FAILED, run_benchmark, write_json


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove it; returns an exit code, 1 if a decision is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proofs.planted")
    parser.add_argument("--visitors", type=int, default=1_500, help="simulated visitors (default: %(default)s)")
    parser.add_argument("--looks", type=int, default=60, help="how often challengers are judged (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=3, help="of visitors and trainings (default: %(default)s)")
    parser.add_argument(
        "--tightest-at", type=int, default=5_000, help="as presage learn takes it (default: %(default)s)"
    )
    parser.add_argument("--to", type=Path, help="a file for the figures, as JSON")
    given = parser.parse_args(arguments)

    def run(console: Console) -> int:
        with tempfile.TemporaryDirectory(prefix="presage-planted-") as directory:
            proof = prove(
                Path(directory),
                visitors=given.visitors,
                looks=given.looks,
                seed=given.seed,
                tightest_at=given.tightest_at,
                on_progress=lambda line: console.print(line, highlight=False, soft_wrap=True),
            )
        console.print(_table(proof))
        console.print(
            f"{proof.events:,} events, {proof.scores:,} scores, {len(proof.wrong)} of them from a wrong version; one server, never "
            "restarted",
            highlight=False,
            soft_wrap=True,
        )
        write_json(given.to, asdict(proof))
        for failure in proof.failures:
            console.print(f"planted-proof: {failure}", highlight=False, soft_wrap=True)
        return FAILED if proof.failures else 0

    return run_benchmark("planted-proof", run)


def _table(proof: Proof) -> Table:
    table = Table("challenger", "true ROC-AUC", "true log loss", "looks", "decision", "sentence")
    for name, case in proof.cases.items():
        champion, challenger = case.truth.auc
        table.add_row(
            name,
            f"{champion:.3f} -> {challenger:.3f}",
            f"{case.truth.loss:+.4f} ± {case.truth.error:.4f}",
            f"{case.looks}",
            "neither" if case.verdict == "continue" else case.verdict,
            case.sentence,
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
