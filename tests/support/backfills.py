"""Backfills for tests: run in this process or as ``presage backfill``, and states compared with a replay of the log."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Event as Flag
from typing import Any

from presage_featurizer import Aggregates, State, encode_state
from presage_featurizer.custom import CustomFeatures
from presage_server.backfill.progress import Progress
from presage_server.backfill.run import run_backfill
from presage_server.backfill.settings import BackfillSettings
from presage_server.clock import system_clock
from presage_server.store.snapshot import REVISION_BYTES
from presage_training.replaying.replay import Replay
from support.archives import read
from support.event_log import read_event_log
from support.running_server import GENEROUS_SECONDS
from support.stores import LocalStore

DECLARATION = """
name = "shop"
extends = []

[features]
views           = { aggregate = "count", over = "visitor", events = ["VIEW_ITEM"] }
session_views   = { aggregate = "count", over = "session", events = ["VIEW_ITEM", "PAGE_VIEW"] }
spent           = { aggregate = "sum", of = "value", over = "visitor", events = ["PURCHASE"] }
cheapest        = { aggregate = "min", of = "item.price", over = "visitor" }
dearest         = { aggregate = "max", of = "item.price", over = "visitor" }
brands          = { aggregate = "distinct", of = "item.brand", over = "visitor" }
session_items   = { aggregate = "distinct", of = "item.item_id", over = "session" }
last_price      = { aggregate = "last", of = "item.price", over = "visitor" }
shoes           = { aggregate = "decayed_sum", over = "visitor", half_life_days = 7, where = { "item.category" = ["shoes"] } }
since_search    = { aggregate = "time_since_last", over = "visitor", events = ["SEARCH"], unit = "hours" }
"""
"""An aggregate of every kind, over visitors and sessions."""

CUSTOM = CustomFeatures.parse(DECLARATION)
_PROGRAM = "import typer; from presage_server.backfill.command import backfill; typer.run(backfill)"


def write_project(directory: Path, declaration: str = DECLARATION) -> Path:
    """Make a project folder with declared features."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "features.toml").write_text(declaration)
    return directory


def backfill(
    store: LocalStore,
    archive: Path,
    *,
    warnings: list[str] | None = None,
    clock_ahead_days: float = 0.0,
    **options: Any,
) -> Progress:
    """Backfill in this process; ``options`` are those of BackfillSettings."""
    settings = BackfillSettings(
        **({"archive": archive, "redis_url": store.url, "visitors_per_second": 0, "report_seconds": 0.001} | options)
    )
    warned = [] if warnings is None else warnings

    def clock() -> int:
        return system_clock() + round(clock_ahead_days * 86_400_000_000)

    return run_backfill(settings, writer=b"bf", warn=warned.append, report=lambda _: None, stop=Flag(), clock=clock)


def backfill_command(store_url: str, archive: Path, *flags: str) -> subprocess.Popen[str]:
    """Start ``presage backfill``."""
    command = [sys.executable, "-c", _PROGRAM, str(archive), "--redis-url", store_url, *flags]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PRESAGE_")}
    return subprocess.Popen(
        command, env=environment | {"COLUMNS": "300"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run_backfill_command(store_url: str, archive: Path, *flags: str) -> tuple[int, str, str]:
    """Run ``presage backfill`` to its end; return its exit code, stdout and stderr."""
    process = backfill_command(store_url, archive, *flags)
    out, err = process.communicate(timeout=GENEROUS_SECONDS)
    return process.returncode, out, err


def replayed(store: LocalStore, aggregates: Aggregates = CUSTOM.aggregates) -> dict[str, State]:
    """Replay all events of a store's streams, which must have kept all."""
    replay = Replay(aggregates)
    for logged in read_event_log(store.redis):
        replay.fold(logged.event, fresh=logged.fresh)
    return replay.states


def replayed_archive(directory: Path, aggregates: Aggregates = CUSTOM.aggregates) -> dict[str, State]:
    """Replay an archive."""
    replay = Replay(aggregates)
    for archived in read(directory):
        replay.fold(archived.event, fresh=archived.fresh)
    return replay.states


def stored(store: LocalStore, user_ids: Iterable[str]) -> dict[str, bytes]:
    """Return the stored states without their revisions; empty where there is none."""
    return {user_id: (store.blob(user_id) or b"")[REVISION_BYTES:] for user_id in user_ids}


def encoded(states: Mapping[str, State]) -> dict[str, bytes]:
    return {user_id: encode_state(state) for user_id, state in states.items()}
