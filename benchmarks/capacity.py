"""``python -m benchmarks.capacity``: what a visitor, an event and a call take, and what shops of three sizes need.

Processor times and bytes, which other work on the machine changes little: a store is filled with simulated visitors, and a server
is loaded with scores and events.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import redis
from rich.console import Console

from benchmarks.rig.command import load_options, run_benchmark, write_json
from benchmarks.rig.load import run_load
from benchmarks.rig.processes import cpu_seconds, memory_mb
from benchmarks.rig.rig import Rig, open_rig
from benchmarks.rig.serving import Server
from presage_featurizer.event_log import PARTITIONS, stream_key
from presage_server.settings import Settings

__all__ = ["SHOPS", "Needs", "Shop", "Takes", "main", "needs_of", "page_rows"]

_PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "capacity.md"
_IN_FLIGHT = 16
_BUSY = 0.6
"""The share of a core that is planned for: at more, waiting costs more than the work."""
_PER_CALL = {"score": 1, "score_batch_100": 100, "track": 1}
_STREAMED = PARTITIONS * Settings.__dataclass_fields__["stream_max_events"].default


@dataclass(frozen=True, kw_only=True, slots=True)
class Takes:
    """What one of each takes."""

    visitor_bytes: float
    """Of the store's memory, with its key and the store's own overhead."""
    event_bytes: float
    """Of the store's memory, in a stream."""
    event_file_bytes: float
    """What an event adds to the append-only file until the store rewrites it."""
    server_mb: float
    """Of a process that has been loaded."""
    cpu_us: dict[str, tuple[float, float]]
    """Processor time of the server and of the store for a score, one of a batch, and an event."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shop:
    """What is to be served."""

    name: str
    visitors: int
    """Seen within ``state_ttl_days``."""
    events: float
    """Per second, at the busiest time."""
    scores: float
    """Likewise."""


SHOPS = (
    Shop(name="small", visitors=100_000, events=50, scores=100),
    Shop(name="medium", visitors=1_000_000, events=500, scores=1_000),
    Shop(name="large", visitors=10_000_000, events=5_000, scores=10_000),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Needs:
    """What a shop needs."""

    server_cores: float
    store_cores: float
    workers: int
    server_mb: float
    visitors_mb: float
    streams_mb: float
    file_mb_per_hour: float


def needs_of(shop: Shop, takes: Takes) -> Needs:
    """Add up what a shop needs, with cores that are busy for six tenths of the time."""
    server, store = (
        (shop.scores * takes.cpu_us["score"][place] + shop.events * takes.cpu_us["track"][place]) / 1e6 / _BUSY
        for place in (0, 1)
    )
    workers = max(1, -int(-server // 1))
    return Needs(
        server_cores=server,
        store_cores=store,
        workers=workers,
        server_mb=workers * takes.server_mb,
        visitors_mb=shop.visitors * takes.visitor_bytes / 1e6,
        streams_mb=_STREAMED * takes.event_bytes / 1e6,
        file_mb_per_hour=shop.events * 3_600 * takes.event_file_bytes / 1e6,
    )


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print the tables."""
    parser = load_options("capacity", rounds=5, seconds=2.0)
    parser.add_argument("--transport", choices=("native", "grpcio"), default="native")
    parser.add_argument("--page", action="store_true", help="write the tables into docs/reference/capacity.md")
    given = parser.parse_args(arguments)
    return run_benchmark("bench-capacity", lambda console: _run(given, console))


def _run(given: argparse.Namespace, console: Console) -> int:
    with open_rig(given.visitors) as rig, console.status("loading"):
        takes = _measure(rig, given)
    rows = page_rows(takes, given.transport)
    console.print("\n".join(rows), markup=False, highlight=False, soft_wrap=True)
    write_json(
        given.to, {"takes": asdict(takes), "needs": {shop.name: asdict(needs_of(shop, takes)) for shop in SHOPS}}
    )
    if given.page:
        head = _PAGE.read_text().partition("\n| what |")[0]
        _PAGE.write_text("\n".join([head, *rows]) + "\n")
    return 0


def _measure(rig: Rig, given: argparse.Namespace) -> Takes:
    url = rig.start_store()
    with redis.Redis.from_url(url) as store:
        visitor_bytes = _visitor_bytes(store)
        server = rig.start_presage(
            url, "--transport", given.transport, "--metrics-port", "0", "--stream-max-events", "0"
        )
        cpu: dict[str, list[tuple[float, float]]] = {name: [] for name in _PER_CALL}
        grown: list[float] = []
        for number in range(given.rounds + 1):
            for name, per_call in _PER_CALL.items():
                before = store.info("persistence")["aof_current_size"]
                calls, *seconds = _load(server, rig.write_calls(name), given.seconds)
                if number:  # the first round warms up
                    server_us, store_us = (one * 1e6 / calls / per_call for one in seconds)
                    cpu[name].append((server_us, store_us))
                    if name == "track":
                        grown.append((store.info("persistence")["aof_current_size"] - before) / calls)
        event_bytes = _event_bytes(store)
    return Takes(
        visitor_bytes=visitor_bytes,
        event_bytes=event_bytes,
        event_file_bytes=median(grown),
        server_mb=memory_mb(server.pid),
        cpu_us={name: tuple(map(median, zip(*rounds, strict=True))) for name, rounds in cpu.items()},
    )


def _load(server: Server, calls: Any, seconds: float) -> tuple[int, float, float]:
    """Load once; return the calls, and the processor time of the server and of the store."""
    pids = [server.pid], [server.store_pid]
    before = [cpu_seconds(one) for one in pids]
    outcome = run_load(server.address, calls, seconds=seconds, warm_up_seconds=0.0, in_flight=_IN_FLIGHT)
    if outcome.errors or not outcome.ok.calls:
        raise RuntimeError(f"expected every call to be answered, but {outcome.errors} were not")
    spent = [cpu_seconds(one) - earlier for one, earlier in zip(pids, before, strict=True)]
    return outcome.ok.calls, spent[0], spent[1]


def _visitor_bytes(store: redis.Redis) -> float:
    """Return what a visitor takes, from all memory that the store uses for data."""
    found = store.info("memory")
    return (found["used_memory"] - found["used_memory_startup"]) / max(1, store.dbsize())


def _event_bytes(store: redis.Redis) -> float:
    """Return what an entry takes, over all streams."""
    pipeline = store.pipeline(transaction=False)
    for partition in range(PARTITIONS):
        pipeline.memory_usage(stream_key(partition), samples=0)
        pipeline.xlen(stream_key(partition))
    found = pipeline.execute()
    return sum(size or 0 for size in found[::2]) / max(1, sum(found[1::2]))


def page_rows(takes: Takes, transport: str) -> list[str]:
    """Write both tables as Markdown."""
    cpu = {name: f"{server:.0f} and {store:.0f} µs" for name, (server, store) in takes.cpu_us.items()}
    rows = [
        "| what | takes |",
        "|---|---|",
        f"| a visitor, in the store's memory | {takes.visitor_bytes:,.0f} bytes |",
        f"| an event in a stream, in the store's memory | {takes.event_bytes:,.0f} bytes |",
        f"| an event in the append-only file, until it is rewritten | {takes.event_file_bytes:,.0f} bytes |",
        f"| a worker's memory, after the load | {takes.server_mb:,.0f} MB |",
        f"| a score, {transport}: processor time of the server and of the store | {cpu['score']} |",
        f"| one of a ScoreBatch of 100, likewise | {cpu['score_batch_100']} |",
        f"| an event, likewise | {cpu['track']} |",
        "",
        (
            "| shop | visitors in 30 days | events, scores a second "
            "| server: cores, workers, memory | store: cores, memory | file, an hour |"
        ),
        "|---|---|---|---|---|---|",
    ]
    return rows + [_row(shop, needs_of(shop, takes)) for shop in SHOPS]


def _row(shop: Shop, needs: Needs) -> str:
    cells: Sequence[str] = (
        shop.name,
        f"{shop.visitors:,}",
        f"{shop.events:,.0f}, {shop.scores:,.0f}",
        f"{needs.server_cores:.2f}, {needs.workers}, {needs.server_mb:,.0f} MB",
        f"{needs.store_cores:.2f}, {needs.visitors_mb:,.0f} MB and up to {needs.streams_mb:,.0f} MB of streams",
        f"{needs.file_mb_per_hour:,.0f} MB",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
