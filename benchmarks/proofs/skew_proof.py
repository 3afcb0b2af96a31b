"""Proves on whole real logs that live and replayed features are the same: ``python -m benchmarks.proofs.skew_proof``.

Each log goes through ``presage replay`` into a running ``presage serve``. Then every visitor's stored state, and the vectors that
GetFeatures returns, are compared bit for bit with those of an offline fold of the same file.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import redis
from rich.console import Console
from rich.table import Table

from benchmarks.rig.server_parts import PARTITIONS, REVISION_BYTES, state_key, stream_key
from benchmarks.rig.serving import local_store, presage_serve
from presage_client import AsyncClient, ClientOptions
from presage_featurizer import CORE, MICROS, State, encode_state, featurize
from presage_training.readers import LogFormat, SkippedRows, read_events
from presage_training.replaying.replay import Replay

__all__ = ["DATA", "LOGS", "Proof", "compare", "main", "prove", "show"]

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
"""Where the real logs are."""

LOGS = {"online_retail.parquet": LogFormat.ONLINE_RETAIL, "rees46_2019_10_01.parquet": LogFormat.REES46}
"""The real logs and their formats."""

_AFTER_END_MICROS = 10 * 60 * MICROS
"""How long after the log's end visitors are featurized: some are still in a session."""

_IN_FLIGHT = 64
_KEYS_PER_ROUND_TRIP = 1_000
# Nothing may be forgotten: neither the log's first events nor a visitor.
_KEEP_ALL = ("--stream-max-events", "0", "--state-ttl-days", "365")


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """The result for one log."""

    summary: str
    """What ``presage replay`` printed: counts, and every rejection with its reason."""
    seconds: float
    """How long ``presage replay`` took, from start to end."""
    events: int
    """Events that the reader made of the file."""
    skipped: int
    """Lines or rows that the reader skipped."""
    logged: int
    """Events in the server's own log afterwards."""
    visitors: int
    """Visitors of the log."""
    stored: int
    """Visitors in the store afterwards."""
    vectors: int
    """Vectors compared: of each visitor one at a fixed moment, and one at the visitor's own last event."""
    differing: tuple[str, ...]
    """Visitors whose stored state or vectors differ in any bit."""
    state_bytes: tuple[float, float]
    """Memory of one visitor in the store: median and 99th percentile."""

    @property
    def holds(self) -> bool:
        """Whether no event and no visitor is missing or too many, and nothing differs."""
        return self.events == self.logged and self.visitors == self.stored and not self.differing


@contextmanager
def _one_server() -> Iterator[tuple[str, Any]]:
    with local_store() as url, redis.Redis.from_url(url) as store:
        yield url, store


def prove(
    path: Path,
    log_format: LogFormat,
    *,
    on: Callable[[], AbstractContextManager[tuple[str, Any]]] = _one_server,
    beside: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Proof:
    """Send a log to a server, fold it offline, and compare.

    Args:
        path: The log.
        log_format: Its format.
        on: Runs an empty store; yields its URL, and a client that sees all of it.
        beside: What goes on while the log is sent.
    """
    skipped = SkippedRows()
    offline = Replay()
    events = 0
    for event in read_events(path, log_format, skipped=skipped):
        offline.fold(event)
        events += 1
    states = offline.states
    with on() as (redis_url, store), presage_serve(redis_url, *_KEEP_ALL) as address:
        with beside():
            started = perf_counter()
            summary = _replay(path, log_format, address)
            seconds = perf_counter() - started
        return Proof(
            summary=summary,
            seconds=seconds,
            events=events,
            skipped=skipped.total,
            logged=sum(store.xlen(stream_key(partition)) for partition in range(PARTITIONS)),
            visitors=len(states),
            stored=sum(1 for _ in store.scan_iter("*:u:*", count=_KEYS_PER_ROUND_TRIP)),
            vectors=2 * len(states),
            differing=compare(store, address, states),
            state_bytes=_state_bytes(store, states),
        )


def compare(store: Any, address: str, states: Mapping[str, State]) -> tuple[str, ...]:
    """Compare states with those in a store, and their vectors with those that its server returns.

    Returns:
        The visitors whose states or vectors differ in any bit.
    """
    return tuple(sorted(_differing_states(store, states) | asyncio.run(_differing_vectors(address, states))))


def main() -> int:
    """Prove it on all real logs; returns an exit code, 1 if anything differs."""
    console = Console()
    missing = [name for name in LOGS if not (DATA / name).exists()]
    if missing:
        console.print(f"skew-proof: nothing compared, because {', '.join(missing)} is not at {DATA}")
        return 0
    proofs = {}
    for name, log_format in LOGS.items():
        proofs[name] = prove(DATA / name, log_format)
        print(proofs[name].summary)
    return show(proofs, console)


def show(proofs: Mapping[str, Proof], console: Console) -> int:
    """Print proofs; return an exit code, 1 if anything differs."""
    console.print(_table(proofs))
    for name, proof in proofs.items():
        if proof.differing:
            console.print(f"{name}: {len(proof.differing):,} visitors differ, the first are {proof.differing[:5]}")
    return 0 if all(proof.holds for proof in proofs.values()) else 1


def _replay(path: Path, log_format: LogFormat, address: str) -> str:
    command = (sys.executable, "-m", "presage_server", "replay", str(path), "--format", log_format, "--target", address)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _differing_states(store: Any, states: Mapping[str, State]) -> set[str]:
    differing = set()
    for user_ids in _chunks(states):
        pipeline = store.pipeline(transaction=False)  # no MGET, whose keys would have to be on one server of a cluster
        for user_id in user_ids:
            pipeline.get(state_key(user_id))
        blobs = pipeline.execute()
        for user_id, blob in zip(user_ids, blobs, strict=True):
            if blob is None or blob[REVISION_BYTES:] != encode_state(states[user_id]):
                differing.add(user_id)
    return differing


async def _differing_vectors(address: str, states: Mapping[str, State]) -> set[str]:
    log_end = max((state.last_seen_unix_micros for state in states.values()), default=0) + _AFTER_END_MICROS
    differing = set()
    waiting = iter(states.items())

    async def compare(client: AsyncClient) -> None:
        for user_id, state in waiting:
            for as_of in (log_end, state.last_seen_unix_micros):
                served = await client.features(user_id, feature_set=CORE.name, as_of_unix_micros=as_of)
                vector = np.array(list(served.values()), dtype=np.float32)
                if tuple(served) != CORE.features or vector.tobytes() != featurize(state, as_of, CORE).tobytes():
                    differing.add(user_id)

    async with AsyncClient(address, options=ClientOptions(timeout_ms=10_000)) as client, asyncio.TaskGroup() as group:
        for _ in range(_IN_FLIGHT):
            group.create_task(compare(client))
    return differing


def _state_bytes(store: Any, states: Mapping[str, State]) -> tuple[float, float]:
    sizes: list[int] = []
    for user_ids in _chunks(states):
        pipeline = store.pipeline(transaction=False)
        for user_id in user_ids:
            pipeline.memory_usage(state_key(user_id), samples=0)
        sizes += [size for size in pipeline.execute() if size is not None]
    median, p99 = np.percentile(sizes, (50, 99)) if sizes else (0.0, 0.0)
    return float(median), float(p99)


def _chunks(user_ids: Iterable[str]) -> Iterator[list[str]]:
    everyone = list(user_ids)
    for start in range(0, len(everyone), _KEYS_PER_ROUND_TRIP):
        yield everyone[start : start + _KEYS_PER_ROUND_TRIP]


def _table(proofs: Mapping[str, Proof]) -> Table:
    rows: dict[str, Callable[[Proof], str]] = {
        "events in the file": lambda proof: f"{proof.events:,}",
        "skipped by the reader": lambda proof: f"{proof.skipped:,}",
        "events in the store": lambda proof: f"{proof.logged:,}",
        "visitors": lambda proof: f"{proof.visitors:,}",
        "visitors in the store": lambda proof: f"{proof.stored:,}",
        "vectors compared": lambda proof: f"{proof.vectors:,}",
        "visitors that differ": lambda proof: f"{len(proof.differing):,}",
        "seconds to replay": lambda proof: f"{proof.seconds:.1f}",
        "events/s": lambda proof: f"{proof.events / proof.seconds:,.0f}",
        "bytes/visitor, median": lambda proof: f"{proof.state_bytes[0]:,.0f}",
        "bytes/visitor, 99 %": lambda proof: f"{proof.state_bytes[1]:,.0f}",
        "the same, bit for bit": lambda proof: "yes" if proof.holds else "NO",
    }
    table = Table("", *(Path(name).stem for name in proofs), title="live against replayed", title_justify="left")
    for row, show in rows.items():
        table.add_row(row, *(show(proof) for proof in proofs.values()))
    return table


if __name__ == "__main__":
    sys.exit(main())
