"""How fast a log becomes rows, and in how much memory: ``python -m benchmarks.replay_speed --events 1000000``.

A real log, repeated with later times and new sessions until it is long enough, is written to a Parquet file. One process on one
core reads it and replays it into a row at every tenth event. The same visitors come back in each repetition: after a million or two
events, what is remembered of them has reached its bounds, and memory has to stay what it is, but for the rows. Beside it, the rows
of the log itself, without repetition, are made the way that a notebook would with pandas: select the visitor's history, compute,
next row.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import perf_counter

import pyarrow as pa
from pyarrow import compute, parquet
from rich.console import Console
from rich.table import Table

from benchmarks.naive_pandas import naive_rows
from benchmarks.proofs.skew_proof import DATA
from presage_featurizer import CONVERSION, Event
from presage_training.readers import LogFormat, SkippedRows, read_events
from presage_training.replaying.decisions import EveryNth
from presage_training.replaying.recorder import Recorder
from presage_training.replaying.recording import Rows

__all__ = ["LOG", "Progress", "main", "replayed", "replayed_rows", "write_repeated"]

LOG = DATA / "rees46_2019_10_01.parquet"
"""The real log that is repeated."""

NTH = 10
"""A row is made at every event of this number."""

_BATCH_EVENTS = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a replay has come."""

    events: int
    seconds: float
    rows: int
    resident_bytes: int
    """Memory of the process."""
    row_bytes: int
    """How much of it the rows are."""


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay_speed")
    parser.add_argument("--events", type=int, default=1_000_000, help="how long the repeated log is")
    events = max(1, parser.parse_args(arguments).events)
    console = Console()
    if not LOG.exists():
        console.print(f"replay-speed: nothing measured, because {LOG.name} is not at {DATA}")
        return 0
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(prefix="presage-bench-") as folder:
        path = Path(folder) / "repeated.parquet"
        write_repeated(path, events)
        started = perf_counter()
        count = sum(1 for _ in read_events(path, LogFormat.REES46, skipped=SkippedRows()))
        reading_seconds = perf_counter() - started
        steps = list(replayed(path))
    console.print(_table(steps))
    whole = steps[-1].events / steps[-1].seconds
    console.print(f"Parquet to rows at every {NTH}th event, one core: {whole:,.0f} events/s")
    console.print(f"of which reading alone: {count / reading_seconds:,.0f} events/s")
    console.print(_beside_pandas(whole))
    return 0


def write_repeated(path: Path, events: int) -> None:
    """Write the real log so often that it has this many events, each time later and with new sessions."""
    table = parquet.read_table(LOG)
    times, sessions = table["event_time"], table["user_session"]
    span = compute.max(times).as_py() - compute.min(times).as_py() + timedelta(seconds=1)
    with parquet.ParquetWriter(path, table.schema) as writer:
        written = 0
        for repetition in range(-(-events // len(table))):
            part = table
            suffix = (pa.scalar(text, sessions.type) for text in (str(repetition), "-"))
            for name, column in (
                ("event_time", compute.add(times, pa.scalar(span * repetition, pa.duration("us")))),
                ("user_session", compute.binary_join_element_wise(sessions, *suffix)),
            ):
                place = table.schema.get_field_index(name)
                part = part.set_column(place, table.schema.field(place), column.cast(table.schema.field(place).type))
            part = part.slice(0, events - written)
            writer.write_table(part)
            written += len(part)


def replayed(path: Path) -> Iterator[Progress]:
    """Replay a log of REES46's format, telling now and then how far it has come."""
    recorder = Recorder(EveryNth(NTH), CONVERSION, distinct_ids=LogFormat.REES46.distinct_ids)
    started = perf_counter()
    position = clock = 0
    for position, event in enumerate(read_events(path, LogFormat.REES46, skipped=SkippedRows())):
        clock = max(clock, event.event_time_unix_micros)
        recorder.add(event, position, clock)
        if (position + 1) % _BATCH_EVENTS == 0:
            yield _progress(recorder, position + 1, started)
    if (position + 1) % _BATCH_EVENTS:
        yield _progress(recorder, position + 1, started)


def replayed_rows(events: Iterable[Event]) -> Rows:
    """Replay events into rows."""
    recorder = Recorder(EveryNth(NTH), CONVERSION, distinct_ids=LogFormat.REES46.distinct_ids)
    clock = 0
    for position, event in enumerate(events):
        clock = max(clock, event.event_time_unix_micros)
        recorder.add(event, position, clock)
    return recorder.finish(clock).rows


def _progress(recorder: Recorder, events: int, started: float) -> Progress:
    seconds = perf_counter() - started
    return Progress(
        events=events,
        seconds=seconds,
        rows=recorder.row_count,
        resident_bytes=_resident_bytes(),
        row_bytes=recorder.column_bytes,
    )


def _resident_bytes() -> int:
    pages = Path("/proc/self/statm")
    return int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if pages.exists() else 0


def _table(steps: Iterable[Progress]) -> Table:
    table = Table("events", "rows", "seconds", "events/s", "memory", "of rows", "the rest", caption="memory in MB")
    for step in steps:
        memory = (step.resident_bytes, step.row_bytes, step.resident_bytes - step.row_bytes)
        table.add_row(
            f"{step.events:,}",
            f"{step.rows:,}",
            f"{step.seconds:.1f}",
            f"{step.events / step.seconds:,.0f}",
            *(f"{each / 1e6:,.0f}" for each in memory),
        )
    return table


def _beside_pandas(events_per_second: float) -> str:
    started = perf_counter()
    naive = naive_rows(LOG, NTH)
    rate = parquet.read_metadata(LOG).num_rows / (perf_counter() - started)
    ours = replayed_rows(read_events(LOG, LogFormat.REES46, skipped=SkippedRows())).features
    same = int((naive == ours).all(axis=1).sum())
    return (
        f"naively in pandas, over the {parquet.read_metadata(LOG).num_rows:,} events of the log itself: {rate:,.0f} events/s, "
        f"{events_per_second / rate:,.0f} times slower; {same:,} of {len(ours):,} rows are the same"
    )


if __name__ == "__main__":
    sys.exit(main())
