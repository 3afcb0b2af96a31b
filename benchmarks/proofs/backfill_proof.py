"""Proves that a backfill under live traffic loses nothing and counts nothing twice: ``python -m benchmarks.proofs.backfill_proof``.

Visitors get their history from a server without declared features. Then two servers that have the declarations take live events at
a constant rate, an archiver archives them, and ``presage backfill`` runs. Afterwards every stored state is compared, bit for bit,
with a replay of all archived events.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event as Flag

import msgspec
import redis
from rich.console import Console
from rich.table import Table

from benchmarks.proofs.turns import Latencies, run_in_turns, send_window, send_windows
from benchmarks.rig.calls import write_calls
from benchmarks.rig.command import FAILED, run_benchmark, write_json
from benchmarks.rig.server_parts import PARTITIONS, REVISION_BYTES, state_key, stream_key
from benchmarks.rig.serving import local_store, presage_serve
from benchmarks.rig.visitors import user_id
from presage_featurizer import MICROS, Event, encode_state
from presage_featurizer.custom import read_custom_features
from presage_training.readers.formats.archive import read_archive
from presage_training.readers.skipped_rows import SkippedRows
from presage_training.replaying.replay import Replay
from presage_training.simulator import simulate
from presage_training.traffic.sending import send_log

__all__ = ["Proof", "main", "prove"]

DECLARATION = """
name = "backfilled"
extends = "conversion"

[features]
own_searches          = { aggregate = "count", over = "session", events = ["SEARCH"] }
own_product_detail    = { aggregate = "count", over = "visitor", events = ["VIEW_ITEM"] }
own_brands_viewed     = { aggregate = "distinct", of = "item.brand", over = "session", cap = 64 }
own_products_ever     = { aggregate = "distinct", of = "item.item_id", over = "visitor", cap = 128 }
own_cheapest_seen     = { aggregate = "min", of = "item.price", over = "visitor" }
own_dearest_seen      = { aggregate = "max", of = "item.price", over = "visitor" }
own_paid              = { aggregate = "sum", of = "value", over = "visitor", events = ["PURCHASE"] }
own_last_seen_price   = { aggregate = "last", of = "item.price", over = "visitor" }
own_recent_views      = { aggregate = "decayed_sum", over = "visitor", half_life_days = 7, events = ["VIEW_ITEM"] }
own_hours_since_cart  = { aggregate = "time_since_last", over = "visitor", events = ["ADD_TO_CART"], unit = "hours", default = -1 }
"""
_KEEP_ALL = ("--stream-max-events", "0", "--metrics-port", "0")
_DAYS = 14
_SIMULATED = 2_000
_EVENTS_PER_VISITOR = 5
_CHUNK = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """The result."""

    summary: str
    """The last line of ``presage backfill``, or its error."""
    exit_code: int
    seconds: float
    """How long ``presage backfill`` took, from start to end."""
    written: int
    """Visitors whose state the backfill wrote."""
    visitors: int
    """Visitors of the replay."""
    stored: int
    """Visitors in the store."""
    acknowledged: int
    """Events that servers accepted."""
    streamed: int
    """Events in the streams, which kept all."""
    archived: int
    """Events in the archive, from which the replay was made."""
    differing: tuple[str, ...]
    """Visitors whose stored state differs in any bit from the replayed one."""
    alone: Latencies
    """The live events' latencies before the backfill, and while it was stopped."""
    beside: Latencies
    """Those during the backfill."""

    @property
    def holds(self) -> bool:
        """Whether the backfill wrote something, and nothing is missing, counted twice or different."""
        whole = self.acknowledged <= self.streamed == self.archived and self.visitors == self.stored
        return whole and not self.differing and self.exit_code == 0 and self.written > 0


def prove(
    directory: Path,
    *,
    visitors: int,
    rate: float,
    flags: Sequence[str] = (),
) -> Proof:
    """Run it.

    Args:
        directory: An empty folder.
        visitors: How many have a history.
        rate: Live events a second; nine of ten go to one of the servers, whose latencies are measured.
        flags: Further ones of ``presage backfill``.
    """
    project, archive = directory / "project", directory / "archive"
    project.mkdir()
    (project / "features.toml").write_text(DECLARATION)
    with local_store({"appendfsync": "no"}) as url:
        history = _history(visitors)
        archived_first = len(history) * 9 // 10
        with presage_serve(url, *_KEEP_ALL) as address:
            _send(history[:archived_first], address)
            _archive(url, archive)
            _send(history[archived_first:], address)
        calls = write_calls("track", directory / "calls", visitors=visitors, now_unix_micros=time.time_ns() // 1_000)
        declared = (*_KEEP_ALL, "--project", str(project))
        with (
            presage_serve(url, *declared) as address,
            presage_serve(url, *declared) as other,
            _archiving(url, archive),
        ):
            words = ("backfill", str(archive), "--redis-url", url, "--project", str(project), *flags)
            ended = Flag()
            with ThreadPoolExecutor(1) as pool:
                elsewhere = pool.submit(send_windows, other, calls, 0.1 * rate, lambda: not ended.is_set())
                try:
                    run = run_in_turns(words, lambda: send_window(address, calls, 0.9 * rate))
                finally:
                    ended.set()
        _archive(url, archive)
        replay = Replay(read_custom_features(project).aggregates)
        archived = 0
        for each in read_archive(archive, skipped=SkippedRows()):
            replay.fold(each.event, fresh=each.fresh)
            archived += 1
        summary = (run.stdout.splitlines() or [run.stderr])[-1]
        written = re.search(r" written=(\d+)", summary)
        live = [*run.alone, *run.beside, *elsewhere.result()]
        with redis.Redis.from_url(url) as store:
            return Proof(
                summary=summary,
                exit_code=run.exit_code,
                seconds=run.seconds,
                written=int(written[1]) if written else 0,
                visitors=len(replay.states),
                stored=sum(1 for _ in store.scan_iter("*:u:*", count=_CHUNK)),
                acknowledged=len(history) + sum(outcome.ok.calls for outcome in live),
                streamed=sum(store.xlen(stream_key(partition)) for partition in range(PARTITIONS)),
                archived=archived,
                differing=tuple(_differing(store, replay)),
                alone=Latencies.of(run.alone),
                beside=Latencies.of(run.beside),
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove it for many visitors; returns an exit code, 1 if anything differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proofs.backfill_proof")
    parser.add_argument("--visitors", type=int, default=100_000, help="visitors with a history (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=1_000.0, help="live events a second (default: %(default)s)")
    parser.add_argument("--to", type=Path, help="a file for the figures, as JSON")
    given = parser.parse_args(arguments)

    def run(console: Console) -> int:
        with tempfile.TemporaryDirectory(prefix="presage-backfill-") as directory:
            proof = prove(Path(directory), visitors=given.visitors, rate=given.rate)
        console.print(proof.summary, highlight=False, soft_wrap=True)
        console.print(_table(proof))
        if proof.differing:
            console.print(f"{len(proof.differing):,} visitors differ, the first are {proof.differing[:5]}")
        write_json(given.to, asdict(proof) | {"differing": len(proof.differing)})
        return 0 if proof.holds else FAILED

    return run_benchmark("backfill-proof", run)


def _history(visitors: int) -> list[Event]:
    """Simulate some visitors up to now, and give their events to as many ids as are wanted; in the order of their times."""
    start = time.time_ns() // 1_000 - (_DAYS + 1) * 86_400 * MICROS
    simulated = simulate(seed=3, visitors=min(visitors, _SIMULATED), start_unix_micros=start, days=_DAYS)
    by_visitor: dict[str, list[Event]] = defaultdict(list)
    for event in simulated:
        by_visitor[event.user_id].append(event)
    originals = [events[:_EVENTS_PER_VISITOR] for events in by_visitor.values()]
    copies = [
        msgspec.structs.replace(event, event_id=f"{event.event_id}-{number}", user_id=user_id(number))
        for number in range(visitors)
        for event in originals[number % len(originals)]
    ]
    return sorted(copies, key=lambda event: event.event_time_unix_micros)


def _send(events: Sequence[Event], address: str) -> None:
    stats = asyncio.run(send_log(events, address, lanes=4, timeout_ms=60_000, on_progress=lambda _: None))
    if stats.counted != len(events):
        raise RuntimeError(f"{len(events) - stats.counted} events of the history were not accepted: {stats.rejected}")


def _presage(*words: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "presage_server", *words)
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _archive(url: str, archive: Path) -> None:
    done = _presage("archive", "--to", str(archive), "--redis-url", url, "--once")
    if done.returncode:
        raise RuntimeError(f"presage archive ended with {done.returncode}: {done.stderr}")


@contextmanager
def _archiving(url: str, archive: Path) -> Iterator[None]:
    """Archive during the context."""
    words = ("archive", "--to", str(archive), "--redis-url", url, "--flush-seconds", "5")
    with subprocess.Popen((sys.executable, "-m", "presage_server", *words), stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def _differing(store: redis.Redis, replay: Replay) -> Iterator[str]:
    user_ids = sorted(replay.states)
    for first in range(0, len(user_ids), _CHUNK):
        chunk = user_ids[first : first + _CHUNK]
        for name, blob in zip(chunk, store.mget(map(state_key, chunk)), strict=True):
            if blob is None or blob[REVISION_BYTES:] != encode_state(replay.states[name]):
                yield name


def _table(proof: Proof) -> Table:
    alone, beside = proof.alone, proof.beside
    table = Table("", "", title="backfill under live traffic", title_justify="left", show_header=False)
    rows = {
        "visitors": f"{proof.visitors:,}",
        "visitors in the store": f"{proof.stored:,}",
        "states written": f"{proof.written:,}",
        "events acknowledged": f"{proof.acknowledged:,}",
        "events in the streams": f"{proof.streamed:,}",
        "events in the archive": f"{proof.archived:,}",
        "live events during the backfill": f"{beside.calls:,}",
        "rejected, failed without": f"{alone.rejected:,}, {alone.failed:,}",
        "rejected, failed with": f"{beside.rejected:,}, {beside.failed:,}",
        "seconds": f"{proof.seconds:.1f}",
        "visitors/s": f"{proof.visitors / proof.seconds:,.0f}",
        "live p50 without, with": f"{alone.p50_us:,.0f} µs, {beside.p50_us:,.0f} µs ({beside.p50_us / alone.p50_us:.2f} x)",
        "live p99 without, with": f"{alone.p99_us:,.0f} µs, {beside.p99_us:,.0f} µs ({beside.p99_us / alone.p99_us:.2f} x)",
        "visitors that differ": f"{len(proof.differing):,}",
        "the same, bit for bit": "yes" if proof.holds else "NO",
    }
    for row, value in rows.items():
        table.add_row(row, value)
    return table


if __name__ == "__main__":
    sys.exit(main())
