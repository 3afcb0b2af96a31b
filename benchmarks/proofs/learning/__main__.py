"""Shows a service that learns: ``python -m benchmarks.proofs.learning``.

First, a model is trained again after every five purchases, and the server's GetModel returns the importances of each. Then a
server starts with a prior and is never restarted. An archiver archives what simulated visitors do, ``presage learn`` follows it,
and after two of four simulated weeks the visitors change. Then the live ROC-AUC of what was served is compared with that of the
first trained model, on the same vectors.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.proofs.learning.fives import PURCHASES, Retraining, command, retrain_by_fives, running
from benchmarks.proofs.learning.live_auc import DayAuc, live_aucs, plot
from benchmarks.proofs.learning.shop import DAYS, changing_events, day_of, purchases_in
from benchmarks.rig.command import FAILED, run_benchmark, write_json
from benchmarks.rig.serving import local_store, presage_serve
from presage_client import AsyncClient, ClientOptions
from presage_export.registry import read_aliases, read_changes, replace_aliases
from presage_featurizer import Event
from presage_training.learning import read_verdicts
from presage_training.traffic.lanes import lane_of
from presage_training.traffic.sending import client_event

_NAME = "conversion"
_LANES = 4
_TIMEOUT_MS = 60_000.0
_POLL_SECONDS = 0.5
_LEARN = (
    "--kind", "logistic-regression", "--after-purchases", "5", "--history-days", "5", "--window-share", "0.3", "--share", "0.3",
    "--pairs-share", "1", "--min-sessions", "60", "--min-purchases", "5", "--tightest-at", "200", "--tolerance", "0.1",
    "--slice-tolerance", "1", "--cooldown-hours", "0", "--patience-hours", "0.008", "--poll-seconds", "0.5",
)  # fmt: skip
"""Thresholds for minutes; the defaults are for weeks."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Show it; returns an exit code, 1 if the service did not learn."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proofs.learning")
    parser.add_argument("--visitors", type=int, default=4_000, help="simulated visitors (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=240.0, help="how long they take (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=3, help="of the visitors (default: %(default)s)")
    parser.add_argument(
        "--retrainings", type=int, default=3, help="after five purchases each, at the beginning (default: %(default)s)"
    )
    parser.add_argument("--to", type=Path, help="a file for the figures, as JSON")
    parser.add_argument("--plot", type=Path, default=Path(".benchmarks/learning.svg"), help="(default: %(default)s)")
    given = parser.parse_args(arguments)

    def run(console: Console) -> int:
        if given.retrainings and not _by_fives(console, given):
            console.print("importances did not change; expected others with each model")
            return FAILED
        with tempfile.TemporaryDirectory(prefix="presage-learning-") as directory:
            days = _run(Path(directory), console, given)
        if not days:
            console.print("no model was promoted: give more --seconds or --visitors")
            return FAILED
        given.plot.parent.mkdir(parents=True, exist_ok=True)
        given.plot.write_text(plot(days, DAYS - 1))
        console.print(_table(days))
        console.print(f"{given.plot}", soft_wrap=True)
        last = [found for day, found in days.items() if day >= 3 * DAYS // 4]
        learning, frozen = fmean(found.learning for found in last), fmean(found.frozen or 0.5 for found in last)
        console.print(f"last week: ROC-AUC {learning:.3f} with learning, {frozen:.3f} without", highlight=False)
        write_json(given.to, {"days": {str(day): found._asdict() for day, found in days.items()}})
        return 0 if learning > frozen else FAILED

    return run_benchmark("learn-demo", run)


def _by_fives(console: Console, given: argparse.Namespace) -> bool:
    """Train again after every five purchases; return whether the importances of each model differ from the previous one's."""
    console.print(f"the model, trained again after every {PURCHASES} purchases:", highlight=False)

    def show(retraining: Retraining) -> None:
        what = _most_important(retraining.importances)
        console.print(
            f"{retraining.purchases} purchases: version {retraining.version}: {what}", highlight=False, soft_wrap=True
        )

    with tempfile.TemporaryDirectory(prefix="presage-learning-") as directory:
        found = retrain_by_fives(Path(directory), times=given.retrainings, seed=given.seed, on_retraining=show)
    return all(first.importances != second.importances for first, second in pairwise(found))


def _most_important(importances: Mapping[str, float | None]) -> str:
    known = {name: share for name, share in importances.items() if share}
    return ", ".join(f"{name} {known[name]:.0%}" for name in sorted(known, key=lambda name: -known[name])[:4])


def _run(directory: Path, console: Console, given: argparse.Namespace) -> dict[int, DayAuc]:
    models, archive = directory / "models", directory / "archive"
    learning = ("learn", "--models", str(models), "--name", _NAME, "--holdout-share", "0.05", *_LEARN)
    subprocess.run(command(*learning, "--init"), check=True)
    _allow_shifts(models / _NAME)
    events = changing_events(visitors=given.visitors, seed=given.seed)
    console.print(
        f"{len(events):,} events, {purchases_in(events):,} purchases, in {given.seconds:g} s", highlight=False
    )
    with local_store({"appendfsync": "no"}) as url:
        flags = ("--models", str(models), "--reload-seconds", "0.5", "--metrics-port", "0", "--no-follow-items")
        flags += ("--sample-vectors-share", "1", "--timeout-ms", "60000", "--store-timeout-ms", "60000")
        archiving = ("archive", "--to", str(archive), "--redis-url", url)
        with (
            presage_serve(url, *flags) as address,
            running(*archiving, "--flush-seconds", "1", "--report-seconds", "3600"),
            running(*learning, str(archive)),
        ):
            asyncio.run(_visit(address, events, given.seconds, console))
        subprocess.run(command(*archiving, "--once"), capture_output=True, check=True)
    verdicts = read_verdicts(models / _NAME)
    trained = sum(verdict.verdict in {"challenger", "rejected"} for verdict in verdicts)
    promoted = [verdict.version for verdict in verdicts if verdict.verdict == "promote"]
    changes = len(list(read_changes(models / _NAME)))
    console.print(
        f"trained {trained} times; promoted {len(promoted)}; {changes} changes of aliases; the server was never restarted",
        highlight=False,
    )
    return live_aucs(archive, models / _NAME / promoted[0]) if promoted else {}


def _allow_shifts(folder: Path) -> None:
    """Let scores shift as far as behaviour does here; servers drop a challenger whose mean score is 0.1 from the champion's."""
    aliases = read_aliases(folder)
    rules = msgspec.structs.replace(aliases.rollback, max_score_shift=1.0)
    changed = msgspec.structs.replace(aliases, rollback=rules)
    replace_aliases(
        folder, changed, now_unix_micros=time.time_ns() // 1_000, changed_by="demo", reason="behaviour changes"
    )


async def _visit(address: str, events: Sequence[Event], seconds: float, console: Console) -> None:
    """Send the events, evenly spread, each visitor's in order, with a score after each; and tell which version serves."""
    lanes: list[list[tuple[float, Event]]] = [[] for _ in range(_LANES)]
    for place, event in enumerate(events):
        lanes[lane_of(event.user_id, _LANES)].append((seconds * place / len(events), event))
    started, today = time.monotonic(), [0]
    async with AsyncClient(address, options=ClientOptions(timeout_ms=_TIMEOUT_MS)) as client:

        async def send(lane: Sequence[tuple[float, Event]]) -> None:
            for due, event in lane:
                await asyncio.sleep(max(0.0, due - (time.monotonic() - started)))
                await client.track(client_event(event), score=True)
                today[0] = max(today[0], day_of(event))

        watching = asyncio.create_task(_watch(client, console, today))
        await asyncio.gather(*map(send, lanes))
        watching.cancel()


async def _watch(client: AsyncClient, console: Console, today: Sequence[int]) -> None:
    """Print what matters to the champion, whenever there is another."""
    seen = ""
    while True:
        details = await client.get_model(_NAME)
        if details.version != seen:
            seen = details.version
            what = _most_important(details.importances) or "a prior, by country, device and hour at most"
            console.print(f"day {today[0]:>2}: version {seen} serves: {what}", highlight=False, soft_wrap=True)
        await asyncio.sleep(_POLL_SECONDS)


def _table(days: dict[int, DayAuc]) -> Table:
    table = Table("day", "scores", "learning on", "off")
    for day, found in days.items():
        table.add_row(
            str(day),
            f"{found.rows:,}",
            f"{found.learning:.3f}",
            "" if found.frozen is None else f"{found.frozen:.3f}",
            end_section=day == DAYS // 2 - 1,
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
