"""What the console's page of one visitor takes from a large archive: ``python -m benchmarks.visitor_page --events 1000000``.

The archive has made-up events of many visitors, once in files of 1,000, as of a minute each, and once in files of 100,000.
For each, a visitor is read for the first time and again, and folded for a page; reading everyone is beside it. Processor time, of
this process.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from time import process_time
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from presage_console.visitor.archive_reader import Histories
from presage_console.visitor.replaying import moment_rows, replay
from presage_console.visitor.timeline import PER_PAGE
from presage_featurizer import CONVERSION, MICROS, Device, Event, EventType, Item, encode_event
from presage_featurizer.event_log import (
    PARTITIONS,
    Entry,
    EntryId,
    Position,
    partition_of,
)
from presage_server.archive.folder import open_folder
from presage_server.archive.parts import parts_by_day
from presage_server.archive.reading import ArchivedEvents

__all__ = ["LONG_VISITOR", "main", "write_archive"]

LONG_VISITOR = "long"
"""Has a hundredth of all events, as a robot would."""
_SHORT_VISITOR = "visitor-1"
_START_MICROS = 1_767_225_600 * MICROS
_DAYS = 30
_KINDS = (EventType.PAGE_VIEW, EventType.VIEW_ITEM, EventType.VIEW_ITEM, EventType.ADD_TO_CART, EventType.SEARCH)

T = TypeVar("T")


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.visitor_page")
    parser.add_argument("--events", type=int, default=1_000_000, help="events of the archive")
    events = max(2_000, parser.parse_args(arguments).events)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    table = Table(title=f"one visitor of an archive of {events:,} events", title_justify="left")
    for heading in ("files of", "what", "events", "processor time"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for size in (1_000, min(100_000, events)):
        with tempfile.TemporaryDirectory(prefix="presage-bench-") as folder:
            directory = Path(folder)
            write_archive(directory, events, size)
            for what, count, seconds in _measure(directory):
                table.add_row(f"{size:,}", what, f"{count:,}", f"{seconds * 1e3:,.0f} ms")
    Console().print(table)
    return 0


def write_archive(directory: Path, events: int, batch_events: int) -> None:
    """Write an archive of made-up events, ``batch_events`` a batch."""
    entries = _entries(events)
    positions: dict[int, Position] = {}
    with open_folder(directory, new_id=lambda: "made-up") as folder:
        while found := list(islice(entries, batch_events)):
            positions |= {entry.partition: Position(entry.entry_id) for entry in found}
            folder.commit(parts_by_day(found), positions=positions, entries=len(found))


def _entries(events: int) -> Iterator[Entry]:
    draw = random.Random(7)
    visitors = max(2, events // 20)
    seen: set[str] = set()
    step = _DAYS * 86_400 * MICROS // events
    for number in range(events):
        user_id = LONG_VISITOR if number % 100 == 0 else f"visitor-{draw.randrange(visitors)}"
        time = _START_MICROS + number * step
        item = draw.randrange(5_000)
        event = Event(
            event_id=f"e{number}",
            type=_KINDS[draw.randrange(len(_KINDS))],
            user_id=user_id,
            event_time_unix_micros=time,
            items=(Item(f"item-{item}", f"category-{item % 40}", f"brand-{item % 90}", (item + 1) * 10_000),),
            country="DE",
            device=Device.MOBILE,
        )
        yield Entry(partition_of(user_id), EntryId(time // 1_000, 0), encode_event(event), user_id not in seen)
        seen.add(user_id)


def _measure(directory: Path) -> Iterator[tuple[str, int, float]]:
    histories = Histories(directory)
    for user_id in (_SHORT_VISITOR, LONG_VISITOR):
        history, seconds = _timed(lambda: histories.read(user_id))  # noqa: B023 - called at once
        yield f"read {user_id!r} for the first time", len(history.rows), seconds
        history, seconds = _timed(lambda: histories.read(user_id))  # noqa: B023 - called at once
        yield f"read {user_id!r} again", len(history.rows), seconds
        count = len(history.rows)
        wanted = range(max(1, count - PER_PAGE), count + 1)
        _, seconds = _timed(lambda: moment_rows(replay(history, wanted).moments, CONVERSION))  # noqa: B023 - as above
        yield f"fold {user_id!r}, and a page's features", count, seconds
    archive = ArchivedEvents(directory)
    rows, seconds = _timed(lambda: sum(1 for _ in archive.read(range(PARTITIONS), archive.checkpoint())))
    yield "read all visitors", rows, seconds


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = process_time()
    done = work()
    return done, process_time() - started


if __name__ == "__main__":
    raise SystemExit(main())
