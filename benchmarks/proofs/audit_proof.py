"""Proves that the continuous audit raises no false alarm, in bounded memory: ``python -m benchmarks.proofs.audit_proof``.

A server takes a simulated log and scores visitors meanwhile, an archiver archives it, and ``presage audit --follow`` compares every
served vector with a replay, all at the same time and each in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.rig.command import FAILED, run_benchmark, write_json
from benchmarks.rig.processes import cpu_seconds, memory_mb
from benchmarks.rig.serving import local_store, presage_serve
from presage_client import AsyncClient, ClientOptions
from presage_featurizer import MICROS, Event
from presage_training.simulator import simulate
from presage_training.traffic.sending import SendStats, send_log

__all__ = ["Proof", "main", "prove"]

_MODELS = Path(__file__).parents[2] / "models"
_DAYS = 14
_SIMULATED = 2_000
_LANES = 4
_TIMEOUT_MS = 600_000.0
_RECENT = 2_000
_TARGETS_PER_CALL = 50
_READY_SECONDS, _POLL_SECONDS = 60.0, 0.2
_ENDED = re.compile(
    r"ended; events=(\d+) same=(\d+) mismatches=(\d+) not_comparable=(\d+) scores=(\d+) batches_behind=(\d+)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """The result."""

    events: int
    """Events that the server accepted, each once, though some may have been sent again."""
    rejected: int
    visitors: int
    vectors: int
    """Vectors that were served and logged: all scores."""
    replayed: int
    """Events that the audit replayed."""
    same: int
    mismatches: int
    not_comparable: int
    scores: int
    """Scores that the bundle reproduced."""
    early_mb: float
    """The audit's largest memory while the first quarter of the events was sent."""
    peak_mb: float
    """The largest that it ever had."""
    seconds: float
    """From the first event until the last vector was audited."""
    audit_cpu_seconds: float
    """The processor time of the audit beside the traffic."""

    @property
    def holds(self) -> bool:
        """Whether all vectors were compared, with no mismatch."""
        compared = self.same == self.scores == self.vectors > 0 and self.replayed == self.events
        return compared and self.mismatches == self.not_comparable == 0


def prove(directory: Path, *, events: int, vectors: int, flush_seconds: float = 5.0) -> Proof:
    """Run it.

    Args:
        directory: An empty folder.
        events: How many to send.
        vectors: How many scores to ask for meanwhile.
        flush_seconds: How often the archiver writes.
    """
    archive = directory / "archive"
    follow = ("audit", str(archive), "--follow", "--models", str(_MODELS))
    with local_store({"appendfsync": "no"}) as url:
        flags = ("--stream-max-events", "0", "--sample-vectors-share", "1", "--metrics-port", "0", "--no-follow-items")
        # On a busy machine calls and the store are late, and nothing is to be sent twice.
        flags += ("--timeout-ms", "600000", "--store-timeout-ms", "60000")
        archiving = ("archive", "--to", str(archive), "--redis-url", url)
        with (
            presage_serve(url, *flags, "--models", str(_MODELS)) as address,
            _running(*archiving, "--flush-seconds", str(flush_seconds)),
        ):
            _wait_for(archive / "archive.json")
            with _running(*follow, "--settle-seconds", "3600") as audit:
                traffic = _Traffic(events, vectors, audit.pid)
                started = time.monotonic()
                stats = asyncio.run(traffic.send(address))
                peak_mb, cpu = memory_mb(audit.pid, peak=True), cpu_seconds([audit.pid])
                audit.terminate()
                beside = audit.communicate()
        _check("archive", subprocess.run(_command(*archiving, "--once"), capture_output=True, text=True, check=False))
        # The last batches, and those that the audit is behind.
        after = subprocess.run(_command(*follow, "--once"), capture_output=True, text=True, check=False)
        seconds = time.monotonic() - started
    found = [_numbers(beside[0]), _numbers(after.stdout)]
    replayed, same, mismatches, not_comparable, scores, _ = (sum(numbers) for numbers in zip(*found, strict=True))
    return Proof(
        events=stats.counted + stats.duplicates,
        rejected=stats.rejected.total(),
        visitors=stats.visitors,
        vectors=traffic.scored,
        replayed=replayed,
        same=same,
        mismatches=mismatches,
        not_comparable=not_comparable,
        scores=scores,
        early_mb=traffic.early_mb,
        peak_mb=peak_mb,
        seconds=seconds,
        audit_cpu_seconds=cpu,
    )


class _Traffic:
    """Sends a log, and scores visitors who were active lately, all along."""

    def __init__(self, events: int, vectors: int, audit: int) -> None:
        self._events = events
        self._vectors = vectors
        self._audit = audit
        self._random = Random(5)
        self._recent: deque[str] = deque(maxlen=_RECENT)
        self._now_unix_micros = 0
        self._sent = 0
        self.scored = 0
        self.early_mb = 0.0

    async def send(self, address: str) -> SendStats:
        """Send everything; return what became of the events."""
        sending = asyncio.create_task(
            send_log(self._log(), address, lanes=_LANES, timeout_ms=_TIMEOUT_MS, on_progress=self._note)
        )
        async with AsyncClient(address, options=ClientOptions(timeout_ms=_TIMEOUT_MS)) as client:
            while not sending.done():
                if self.scored < self._vectors * self._sent // self._events:
                    await self._score(client)
                else:
                    await asyncio.sleep(0.01)
            while self.scored < self._vectors:
                await self._score(client)
        return await sending

    def _log(self) -> Iterator[Event]:
        start = time.time_ns() // 1_000 - (_DAYS + 1) * 86_400 * MICROS
        simulated = simulate(seed=3, visitors=_SIMULATED, start_unix_micros=start, days=_DAYS)
        copies = -(-self._events // len(simulated))
        left = self._events
        for event in simulated:
            for copy in range(copies):
                if not left:
                    return
                left -= 1
                user_id = f"{event.user_id}-{copy}"
                self._recent.append(user_id)
                self._now_unix_micros = event.event_time_unix_micros
                yield msgspec.structs.replace(event, event_id=f"{event.event_id}-{copy}", user_id=user_id)

    def _note(self, stats: SendStats) -> None:
        self._sent = stats.events
        if stats.events <= self._events // 4:
            self.early_mb = memory_mb(self._audit, peak=True)

    async def _score(self, client: AsyncClient) -> None:
        count = min(_TARGETS_PER_CALL, self._vectors - self.scored)
        targets = self._random.choices(self._recent, k=count)
        await client.score_batch(targets, as_of_unix_micros=self._now_unix_micros + MICROS)
        self.scored += count


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove it for many events; returns an exit code, 1 if anything differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proofs.audit_proof")
    parser.add_argument("--events", type=int, default=1_000_000, help="events to send (default: %(default)s)")
    parser.add_argument("--vectors", type=int, default=20_000, help="vectors to serve (default: %(default)s)")
    parser.add_argument("--to", type=Path, help="a file for the figures, as JSON")
    given = parser.parse_args(arguments)

    def run(console: Console) -> int:
        with tempfile.TemporaryDirectory(prefix="presage-audit-") as directory:
            proof = prove(Path(directory), events=given.events, vectors=given.vectors)
        console.print(_table(proof))
        write_json(given.to, asdict(proof))
        return 0 if proof.holds else FAILED

    return run_benchmark("audit-proof", run)


def _command(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "presage_server", *words)


@contextmanager
def _running(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command of ``presage`` for as long as the context lasts."""
    with subprocess.Popen(_command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            if process.stdout is not None and not process.stdout.closed:
                process.communicate()


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not file.exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f"presage archive has written no {file} in {_READY_SECONDS:g} s")
        time.sleep(_POLL_SECONDS)


def _check(name: str, done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        raise RuntimeError(f"presage {name} ended with {done.returncode}: {done.stderr}")


def _numbers(output: str) -> tuple[int, ...]:
    match = _ENDED.search(output)
    if match is None:
        raise RuntimeError(f"presage audit printed no last line: {output[-500:]}")
    return tuple(map(int, match.groups()))


def _table(proof: Proof) -> Table:
    table = Table("", "", title="continuous audit beside traffic", title_justify="left", show_header=False)
    rows = {
        "events accepted": f"{proof.events:,}",
        "events rejected": f"{proof.rejected:,}",
        "events replayed": f"{proof.replayed:,}",
        "visitors": f"{proof.visitors:,}",
        "vectors served": f"{proof.vectors:,}",
        "the same, bit for bit": f"{proof.same:,}",
        "mismatches": f"{proof.mismatches:,}",
        "not comparable": f"{proof.not_comparable:,}",
        "scores checked": f"{proof.scores:,}",
        "the audit's memory: first quarter, most": f"{proof.early_mb:,.0f} MB, {proof.peak_mb:,.0f} MB",
        "its processor time": f"{proof.audit_cpu_seconds:,.0f} s",
        "seconds in all": f"{proof.seconds:,.0f}",
        "no mismatch, none left out": "yes" if proof.holds else "NO",
    }
    for row, value in rows.items():
        table.add_row(row, value)
    return table


if __name__ == "__main__":
    sys.exit(main())
