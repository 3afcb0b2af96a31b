"""``python -m benchmarks.ranking.catalogue``: a large catalogue loaded into running servers, and how soon they see a change.

Two servers share a store. The file is sent to the first one with ``presage items load``; all items are known to both when neither
ranks one of them as cold any more, which takes until the bucket of time that they came in is closed. Then stock is taken away and
given back, at the first server, and both are asked to rank the item until it is gone, and there again.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import monotonic, sleep

import grpc
import redis
from rich.console import Console
from rich.table import Table

from benchmarks.ranking.serving import copy_models
from benchmarks.ranking.shop import Shop, item_id
from benchmarks.ranking.world import make_world
from benchmarks.rig.command import load_options, run_benchmark, write_json
from benchmarks.rig.processes import memory_mb, process_tree
from benchmarks.rig.rig import Rig, open_rig
from benchmarks.rig.serving import Server
from presage.v1 import ranking_service_pb2, scoring_service_pb2
from presage.v1.ranking_service_pb2_grpc import RankingServiceStub
from presage.v1.scoring_service_pb2_grpc import ScoringServiceStub

__all__ = ["LoadedCatalogue", "main", "write_catalogue"]

_CALL_SECONDS = 60.0
_KNOWN_SECONDS, _CHANGE_SECONDS = 900.0, 30.0
_POLL_SECONDS = 0.001
_FITTED_ITEMS, _FITTED_VISITORS = 2_000, 400
_COLUMNS = ("item_id", "price", "category", "brand", "tags", "stock")


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedCatalogue:
    """What loading took."""

    items: int
    load_seconds: float
    loader_peak_mb: float
    known_seconds: float
    """From the end of loading until both servers ranked by what they know of the last item."""
    server_mb: tuple[float, float]
    """Of the first server, before and after."""
    server_peak_mb: float
    follower_peak_mb: float
    store_mb: float
    slowest_score_ms: float
    """Of calls to the second server, one after the other, until all items were known."""
    start_seconds: float
    """Until another server serves, which reads all items first."""


def main(arguments: list[str] | None = None) -> int:
    """Load, change, and print."""
    parser = load_options("ranking.catalogue", rounds=25, seconds=0.0, visitors=1_000)
    parser.add_argument("--items", type=int, default=1_000_000, help="in the file (default: %(default)s)")
    parser.add_argument("--bucket-seconds", type=int, default=10, help="of the servers (default: %(default)s)")
    given = parser.parse_args(arguments)
    return run_benchmark("bench-items", lambda console: _run(given, console))


def write_catalogue(file: Path, shop: Shop) -> None:
    """Write a shop's items as a CSV."""
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(_COLUMNS)
        for number in range(shop.items):
            item = shop.item(number)
            price = f"{item.price_micros / 1e6:.2f}"
            writer.writerow([item.item_id, price, item.category, item.brand, "new|sale" if number % 9 == 0 else "", 7])


def _run(given: argparse.Namespace, console: Console) -> int:
    with open_rig(given.visitors) as rig, console.status("fitting a model") as status:
        world = make_world(_FITTED_ITEMS, _FITTED_VISITORS, end_unix_micros=rig.now_unix_micros)
        models = copy_models(rig.folder / "models")
        world.write_bundle(models)
        url = rig.start_store(states=world.states)
        flags = ("--models", str(models), "--item-bucket-seconds", str(given.bucket_seconds))
        servers = [rig.start_presage(url, *flags) for _ in range(2)]
        status.update("loading the catalogue")
        loaded = _load(rig, servers, url, flags, Shop(items=given.items, visitors=0, end_unix_micros=0))
        status.update("changing stock")
        changes = [_change(servers, item_id(number), stock) for number in range(given.rounds) for stock in (0, 7)]
    console.print(_loaded_table(loaded))
    console.print(_changes_table(changes))
    write_json(given.to, {"loaded": asdict(loaded), "change_ms": changes})
    return 0


def _load(rig: Rig, servers: Sequence[Server], url: str, flags: Sequence[str], shop: Shop) -> LoadedCatalogue:
    file = rig.folder / "items.csv"
    write_catalogue(file, shop)
    first = servers[0]
    before = memory_mb(first.pid)
    start = monotonic()
    with _scoring(servers[-1]) as slowest:
        peak_mb = _run_loader(file, first.address)
        loaded = monotonic()
        for server in servers:
            _wait_until_known(server, item_id(shop.items - 1))
        known = monotonic()
    followers = [pid for server in servers for pid in process_tree(server.pid) if pid != server.pid]
    with redis.Redis.from_url(url) as client:
        store_mb = client.info("memory")["used_memory"] / 1e6
    after, server_peak = memory_mb(first.pid), memory_mb(first.pid, peak=True)
    follower_peak = max((memory_mb(pid, peak=True) for pid in followers), default=0.0)
    starting = monotonic()
    rig.start_presage(url, *flags, "--no-follow-items")
    return LoadedCatalogue(
        items=shop.items,
        load_seconds=loaded - start,
        loader_peak_mb=peak_mb,
        known_seconds=known - loaded,
        server_mb=(before, after),
        server_peak_mb=server_peak,
        follower_peak_mb=follower_peak,
        store_mb=store_mb,
        slowest_score_ms=slowest[0],
        start_seconds=monotonic() - starting,
    )


def _run_loader(file: Path, address: str) -> float:
    """Run ``presage items load``; returns the most memory that it had, in MB.

    Raises:
        RuntimeError: It failed.
    """
    command = (sys.executable, "-m", "presage_server", "items", "load", str(file), "--target", address)
    peak = 0.0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            # What it had last is the most: the kernel keeps the maximum. Once it has ended, there is nothing to read.
            peak = memory_mb(process.pid, peak=True) or peak
            sleep(_POLL_SECONDS * 20)
    if process.returncode:
        raise RuntimeError(f"presage items load ended with {process.returncode}")
    return peak


@contextmanager
def _scoring(server: Server) -> Iterator[list[float]]:
    """Make one Score after the other during the context; yields a list with the time of the slowest one, in ms."""
    slowest, stop = [0.0], threading.Event()

    def score() -> None:
        with grpc.insecure_channel(server.address) as channel:
            stub = ScoringServiceStub(channel)
            while not stop.wait(_POLL_SECONDS * 5):
                start = monotonic()
                stub.Score(scoring_service_pb2.ScoreRequest(user_id="somebody"), timeout=_CALL_SECONDS)
                slowest[0] = max(slowest[0], (monotonic() - start) * 1_000)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(score)
        try:
            yield slowest
        finally:
            stop.set()
        running.result()


def _wait_until_known(server: Server, item: str) -> None:
    give_up = monotonic() + _KNOWN_SECONDS
    with grpc.insecure_channel(server.address) as channel:
        while any(found.cold for found in _rank(channel, item)):
            if monotonic() > give_up:
                raise RuntimeError(f"{item} is not known to the server after {_KNOWN_SECONDS:.0f} s")
            sleep(_POLL_SECONDS * 100)


def _change(servers: Sequence[Server], item: str, stock: int) -> list[float]:
    """Change an item's stock at the first server; returns after how many ms the answers of each server are right."""
    channels = [grpc.insecure_channel(server.address) for server in servers]
    for channel in channels:
        _rank(channel, item)  # connected by now
    start = monotonic()
    items = [ranking_service_pb2.CatalogueItem(item_id=item, stock=stock)]
    response = RankingServiceStub(channels[0]).UpsertItems(
        ranking_service_pb2.UpsertItemsRequest(items=items), timeout=_CALL_SECONDS
    )
    if response.results[0].code:
        raise RuntimeError(f"{item}: {response.results[0].message}")
    found: list[float] = [0.0] * len(servers)
    while not all(found):
        for place, channel in enumerate(channels):
            if not found[place] and any(ranked.item_id == item for ranked in _rank(channel, item)) == (stock > 0):
                found[place] = (monotonic() - start) * 1_000
        if monotonic() - start > _CHANGE_SECONDS:
            raise RuntimeError(f"{item}: not every server knows of its stock after {_CHANGE_SECONDS:.0f} s")
        sleep(_POLL_SECONDS)
    for channel in channels:
        channel.close()
    return found


def _rank(channel: grpc.Channel, item: str) -> Sequence[ranking_service_pb2.RankedItem]:
    request = ranking_service_pb2.RankRequest(user_id="somebody", candidate_ids=[item], preview=True)
    return RankingServiceStub(channel).Rank(request, timeout=_CALL_SECONDS).items


def _loaded_table(loaded: LoadedCatalogue) -> Table:
    table = Table("", "", title=f"a catalogue of {loaded.items:,} items", title_justify="left")
    per_second = loaded.items / loaded.load_seconds
    table.add_row("presage items load", f"{loaded.load_seconds:.0f} s, {per_second:,.0f} items/s")
    table.add_row("its memory, at most", f"{loaded.loader_peak_mb:,.0f} MB")
    table.add_row("known to both servers after another", f"{loaded.known_seconds:.0f} s")
    before, after = loaded.server_mb
    table.add_row(
        "a server's memory before, after, at most", f"{before:,.0f}, {after:,.0f}, {loaded.server_peak_mb:,.0f} MB"
    )
    table.add_row("the follower's memory, at most", f"{loaded.follower_peak_mb:,.0f} MB")
    table.add_row("the store's memory", f"{loaded.store_mb:,.0f} MB")
    table.add_row("the slowest Score meanwhile", f"{loaded.slowest_score_ms:,.0f} ms")
    table.add_row("another server starts in", f"{loaded.start_seconds:.1f} s")
    return table


def _changes_table(changes: Sequence[Sequence[float]]) -> Table:
    table = Table(
        *("", "median ms", "slowest ms"),
        title=f"{len(changes)} changes of stock, each at the first server: from the call until answers are right",
        title_justify="left",
    )
    for name, column in zip(("the same server", "another server"), zip(*changes, strict=True), strict=True):
        table.add_row(name, f"{median(column):.1f}", f"{max(column):.1f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
