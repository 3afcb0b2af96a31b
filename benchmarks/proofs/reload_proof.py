"""Proves that new versions of a model take over without a failed call, and that broken ones change nothing.

``python -m benchmarks.proofs.reload_proof``; needs a C++ compiler and libnghttp2. A server gets Score at a constant rate. Versions
are put into its folder, or its aliases are changed, one after the other; in between it is left alone for as long as the change
took. The version in every response is compared with those that could serve at that time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from shutil import copytree

import numpy as np
from rich.console import Console

from benchmarks.proofs.broken_bundles import BROKEN
from benchmarks.proofs.reload_server import MODEL, Change, LoadedServer, serve_under_load
from benchmarks.rig.command import FAILED, run_benchmark, write_json
from benchmarks.rig.replies import Reply
from benchmarks.rig.server_parts import shipped_models
from presage.v1 import scoring_service_pb2 as pb

__all__ = ["Proof", "main", "prove", "wrong_versions"]

_SHIPPED = "3"
_MAX_RATIO = 1.5
_ALIASES_EVERY = 4
"""One of so many good changes is made by aliases."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """The result."""

    calls: int
    failed: int
    """Calls that ended with an error, or were never sent."""
    wrong: int
    """Responses with a version that could not serve then."""
    changes: int
    """Of versions and of aliases that had to be taken over."""
    broken: int
    """Versions that had to be rejected."""
    unreported: tuple[str, ...]
    """The kinds of those that the log or the metrics do not name."""
    p99_between_us: float
    """Of calls that were due while nothing was changed."""
    p99_during_us: float
    """Of those that were due between a change of the folder and the moment at which the server had dealt with it."""
    p99_of_changes_us: float
    """The same, of changes that were taken over alone."""
    seconds_per_change: float
    """The median."""

    @property
    def ratio(self) -> float:
        """How much longer calls take beside a change."""
        return max(self.p99_during_us, self.p99_of_changes_us) / self.p99_between_us

    @property
    def holds(self) -> bool:
        """Whether all is as it has to be, but for the ratio, which a busy machine makes anything."""
        return not (self.failed or self.wrong or self.unreported)


def prove(directory: Path, *, reloads: int, rate: float, flags: Sequence[str] = (), seed: int = 1) -> Proof:
    """Run it.

    Args:
        directory: An empty folder.
        reloads: How many changes there are, broken ones included, of which there is one of each kind.
        rate: Calls a second.
        flags: Further ones of ``presage serve``.
        seed: Of the order of changes.
    """
    models = directory / "models"
    copytree(shipped_models() / MODEL / _SHIPPED, models / MODEL / _SHIPPED)
    order = [*BROKEN, *["good"] * (reloads - len(BROKEN))]
    Random(seed).shuffle(order)
    with serve_under_load(directory, models, rate=rate, flags=flags) as server:
        changes = []
        for number, kind in enumerate(order, 1):
            changes.append(_change(server, kind, number))
            server.leave_alone((changes[-1].ended_ns - changes[-1].begun_ns) / 1e9)
        missed = server.end_load()
    return _judge(changes, server.replies(), missed)


def _change(server: LoadedServer, kind: str, number: int) -> Change:
    if kind != "good":
        return server.add_broken(kind, f"{100 + number}")
    if number % _ALIASES_EVERY == 0:
        return server.go_back()
    return server.add_version(f"{100 + number}")


def wrong_versions(changes: Sequence[Change], replies: Sequence[Reply]) -> int:
    """Count the responses with a version that could not serve between the moments at which their call was due and ended."""
    # From each change on, its version can serve; the one before can until the change has ended.
    begun = np.array([change.begun_ns for change in changes])
    ended = np.array([change.ended_ns for change in changes])
    versions = [changes[0].before, *(change.after for change in changes)]
    wrong = 0
    for reply in replies:
        if reply.status:
            continue
        first = int(np.searchsorted(ended, reply.due_ns))  # changes that had ended when the call was due
        last = int(np.searchsorted(begun, reply.ended_ns))  # and those that had begun when it ended
        version = pb.ScoreResponse.FromString(reply.message).prediction.model_version
        wrong += version not in versions[first : last + 1]
    return wrong


def _judge(changes: Sequence[Change], replies: Sequence[Reply], missed: int) -> Proof:
    due = np.array([reply.due_ns for reply in replies])
    took = np.array([reply.ended_ns for reply in replies]) - due
    is_during, is_swap = np.zeros(len(due), bool), np.zeros(len(due), bool)
    for change in changes:
        beside = (due >= change.begun_ns) & (due < change.ended_ns)
        is_during |= beside
        if change.kind not in BROKEN:
            is_swap |= beside
    is_between = ~is_during & (due > changes[0].begun_ns)
    p99s = [float(np.quantile(took[chosen], 0.99)) / 1e3 for chosen in (is_between, is_during, is_swap)]
    return Proof(
        calls=len(replies),
        failed=missed + sum(reply.status != 0 for reply in replies),
        wrong=wrong_versions(changes, replies),
        changes=sum(change.kind not in BROKEN for change in changes),
        broken=sum(change.kind in BROKEN for change in changes),
        unreported=tuple(change.kind for change in changes if not change.is_reported),
        p99_between_us=p99s[0],
        p99_during_us=p99s[1],
        p99_of_changes_us=p99s[2],
        seconds_per_change=float(np.median([change.ended_ns - change.begun_ns for change in changes])) / 1e9,
    )


def main() -> int:
    """Run it as the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proofs.reload_proof")
    parser.add_argument("--reloads", type=int, default=50, help="changes, 10 of them broken (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=5_000.0, help="calls a second (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes that serve (default: %(default)s)")
    parser.add_argument("--to", type=Path, help="a file for the figures, as JSON")
    options = parser.parse_args()

    def run(console: Console) -> int:
        with tempfile.TemporaryDirectory(prefix="presage-reload-") as folder:
            flags = ("--workers", str(options.workers))
            proof = prove(Path(folder), reloads=options.reloads, rate=options.rate, flags=flags)
        _show(console, proof)
        write_json(options.to, asdict(proof))
        return 0 if proof.holds and proof.ratio < _MAX_RATIO else FAILED

    return run_benchmark("reload-proof", run)


def _show(console: Console, proof: Proof) -> None:
    console.print(
        f"{proof.changes + proof.broken} reloads of which {proof.broken} were broken, in {proof.calls:,} calls: "
        f"{proof.failed} failed, {proof.wrong} responses with a wrong version, {len(proof.unreported)} broken ones not reported"
        + "".join(f" ({kind})" for kind in proof.unreported)
    )
    console.print(
        f"p99 of Score: {proof.p99_between_us:,.0f} us between reloads, {proof.p99_during_us:,.0f} us beside them, "
        f"{proof.p99_of_changes_us:,.0f} us beside those that were taken over: {proof.ratio:.2f} times as long at most; "
        f"{proof.seconds_per_change:.2f} s from the folder to the last process"
    )


if __name__ == "__main__":
    sys.exit(main())
