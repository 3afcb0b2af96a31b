"""``presage demo``: a store, a server and a shop full of visitors, for half a minute."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from presage_featurizer import MICROS
from presage_training.commands.demo_ranking import render_tour, run_tour
from presage_training.commands.local_store import wait_for_store
from presage_training.commands.signals import signals_as_interrupts
from presage_training.errors import TrainingError
from presage_training.simulator import Shop, simulate
from presage_training.traffic.playing import CALLS_IN_FLIGHT, PlaybackStats, Scenario, choose_watched, play
from presage_training.traffic.ranking_tour import load_catalogue
from presage_training.traffic.timing import SingleCallStats, time_single_calls

__all__ = ["demo"]

_VISITORS, _DAYS, _WATCHED = 500, 14, 6
_START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)  # a Monday
_SHOP_SEED = 7
"""The shop that the shipped models were trained on."""
_BAR_WIDTH, _LINE_WIDTH, _FULL_SCORE = 12, 16, 0.6
_ITEMS = ("--item-bucket-seconds", "1")  # what is popular is known before the demo ends
_SINGLE_CALLS = 300


def demo(
    seconds: Annotated[float, typer.Option(min=1, max=300, help="How long the demo runs.")] = 20.0,
    seed: Annotated[int, typer.Option(help="Other seeds, other visitors.")] = 1,
) -> None:
    """Show the service at work: simulated visitors shop, and their scores and rankings change with each event.

    Starts a server with an embedded store, sends simulated visitors' events through the real client, prints the measured
    latencies, and ends with one visitor's rankings. Nothing is left running, and nothing is left on disk.
    """
    console = Console()
    shop = Shop.create(seed=_SHOP_SEED)
    start = int(_START.timestamp()) * MICROS
    events = simulate(seed=seed, visitors=_VISITORS, start_unix_micros=start, days=_DAYS, shop=shop)
    scenario = Scenario(events, choose_watched(events, _WATCHED))
    try:
        with signals_as_interrupts(), _server(console) as address:
            console.print(f"server on {address}; {len(events):,} events of {_VISITORS} visitors to send")
            load_catalogue(address, shop, first_seen_unix_micros=start)
            with Live(console=console, auto_refresh=False, transient=True) as live:

                def show(stats: PlaybackStats) -> None:
                    if console.is_terminal:
                        live.update(_render(scenario, stats), refresh=True)

                stats = asyncio.run(play(scenario, address, seconds=seconds, on_progress=show))
            single = time_single_calls(address, sorted(stats.visitors), calls=_SINGLE_CALLS)
            steps = run_tour(address, shop)
    except TrainingError as error:
        Console(stderr=True).print(f"presage demo: {error}", markup=False, soft_wrap=True)
        sys.exit(2)
    console.print(_render(scenario, stats))
    console.print(_summary(stats, single))
    console.print(render_tour(steps, shop))
    console.print(_next_steps(), highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _server(console: Console) -> Iterator[str]:
    """Run ``presage serve`` on a free port with a data folder of its own; yields HOST:PORT."""
    with tempfile.TemporaryDirectory(prefix="presage-demo-", ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "log"
        # The user's own settings do not apply, above all the address of a real store.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PRESAGE_")}
        # Temporary files of the server and its store are removed with the folder, even if they are killed.
        environment["TMPDIR"] = folder
        # Without reflection, pygrpc-native needs no socket, whose path would be too long.
        serve = ("serve", "--port", "0", "--data-dir", f"{folder}/data", "--no-reflection", *_ITEMS)
        with log.open("w") as log_file:
            process = subprocess.Popen(  # noqa: S603 - fixed arguments
                [sys.executable, "-m", "presage_server", *serve],
                stdout=subprocess.PIPE,
                stderr=log_file,
                env=environment,
                text=True,
            )
        try:
            assert process.stdout is not None
            with console.status("starting a store and a server"):
                announcement = process.stdout.readline()
            if not announcement:
                raise TrainingError(f"the server did not start:\n{log.read_text().strip()}")
            yield announcement.split()[-1]
        finally:
            process.terminate()
            process.wait()
            wait_for_store(Path(folder) / "data")


def _render(scenario: Scenario, stats: PlaybackStats) -> Group:
    table = Table(
        title="visitors' events, and the probability of a purchase in this session",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    for heading in ("visitor", "session", "last event", "score", "", "this session"):
        table.add_column(heading, no_wrap=True)
    for user_id in scenario.watched:
        visitor = stats.watched.get(user_id)
        if visitor is None or not visitor.scores:
            table.add_row(user_id, "", "", "", "", "")
            continue
        bar = "█" * round(min(visitor.scores[-1] / _FULL_SCORE, 1.0) * _BAR_WIDTH)
        color = "green" if visitor.bought else "cyan"
        table.add_row(
            user_id,
            str(visitor.session),
            Text(visitor.last_event, style="bold green" if visitor.bought else ""),
            f"{visitor.scores[-1]:.3f}",
            Text(f"{bar:<{_BAR_WIDTH}}", style=color),
            _sparkline(visitor.scores),
        )
    return Group(table, f"{stats.events:,} events · {stats.scores:,} scores · {stats.seconds:.0f} s")


def _sparkline(scores: list[float]) -> str:
    """Draw the last scores of a session as a line of blocks; a score of _FULL_SCORE and more is at full height."""
    blocks = "▁▂▃▄▅▆▇█"
    return "".join(
        blocks[min(int(score / _FULL_SCORE * len(blocks)), len(blocks) - 1)] for score in scores[-_LINE_WIDTH:]
    )


def _summary(stats: PlaybackStats, single: SingleCallStats) -> Table:
    table = Table("", "calls", "p50", "p99", title="measured by the client", title_justify="left", box=SIMPLE_HEAD)
    in_flight = f"{CALLS_IN_FLIGHT} in flight"
    for name, latencies in (
        ("TrackEvent, one at a time", single.track_micros),
        ("Score, one at a time", single.score_micros),
        (f"TrackEvent, {in_flight}", stats.track_micros),
        (f"Score, {in_flight}", stats.score_micros),
    ):
        table.add_row(name, f"{len(latencies):,}", _percentile(latencies, 0.5), _percentile(latencies, 0.99))
    table.add_row("events", f"{stats.events:,}", "", "")
    table.add_row("scores", f"{stats.scores:,}", "", "")
    table.add_row("cold starts", f"{stats.cold_starts:,}", "", "")
    table.add_row("purchases", f"{stats.purchases:,}", "", "")
    return table


def _next_steps() -> str:
    command, pip = _command("presage"), _command("pip")
    return f"""
next
  {command} serve
      starts a server on port 50051, and keeps its state in ./presage-data
  README.md, "Use it"
      sends it events and gets scores, from Python or any other language
  {pip} install '{_distribution()}[train]'
      brings the libraries that the next two commands need
  {command} inspect LOG --to shop.toml
      proposes how to read a log of your own shop's events; docs/how-to/inspect-a-log.md
  {command} train LOG --mapping shop.toml --to runs/first
      trains models on it, and says how to serve the best; docs/how-to/train-on-your-log.md
      with --rank, a model that ranks items; docs/how-to/train-a-ranking-model.md
  {command} console --shop
      starts a small shop for your browser: click, and watch the score, its reasons and the ranking change"""


def _distribution() -> str:
    """Return what pip is to install: this checkout, or where there is none, the package."""
    return "." if Path(__file__).parents[3].joinpath("pyproject.toml").exists() else "presage-scoring"


def _command(name: str) -> str:
    """Return what to type to run a command of this environment: its name if it is on the path, else where it is."""
    here = Path(sysconfig.get_path("scripts"), name)
    found = shutil.which(name)
    if found is not None and Path(found) == here:
        return name
    return str(here.relative_to(Path.cwd())) if here.is_relative_to(Path.cwd()) else str(here)


def _percentile(latencies_micros: list[float], share: float) -> str:
    if not latencies_micros:
        return "-"
    ordered = sorted(latencies_micros)
    return f"{ordered[min(int(len(ordered) * share), len(ordered) - 1)] / 1e3:.2f} ms"
