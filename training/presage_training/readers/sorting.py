"""Sorts a log that is longer than memory by time."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import attrgetter
from typing import IO, NamedTuple

from presage_featurizer import Event, decode_event, encode_event
from presage_training.errors import TrainingError

__all__ = ["MEMORY_EVENTS", "sorted_by_time"]

MEMORY_EVENTS = 200_000
"""How many events ``sorted_by_time`` holds in memory by default: about 150 MB."""

_CHUNK_BYTES = 1 << 16
_LENGTH_BYTES = 4
_time = attrgetter("event_time_unix_micros")


class _Run(NamedTuple):
    """A range of the temporary file: sorted events, each preceded by its length."""

    start: int
    end: int


def sorted_by_time(events: Iterable[Event], *, memory_events: int = MEMORY_EVENTS) -> Iterator[Event]:
    """Sort events by event time; those of the same time keep their order.

    Reads all of them before it yields the first. Events that do not fit into memory are written to one unnamed temporary file,
    which disappears with the process.

    Args:
        events: The log.
        memory_events: How many events to hold in memory, at least 1; merging adds 64 KiB for each time that this was exceeded.

    Raises:
        TrainingError: if the temporary file cannot be written.
    """
    if memory_events < 1:
        raise ValueError(f"expected memory_events of at least 1, got {memory_events}")
    return _sorted(iter(events), memory_events)


def _sorted(events: Iterator[Event], memory_events: int) -> Iterator[Event]:
    run = sorted(islice(events, memory_events), key=_time)
    following = next(events, None)
    if following is None:
        yield from run
        return
    with tempfile.TemporaryFile() as file:
        runs = []
        while following is not None:
            runs.append(_spill(file, run))
            run.clear()  # free the memory before the next run
            run = [following, *islice(events, memory_events - 1)]
            run.sort(key=_time)
            following = next(events, None)
        yield from heapq.merge(*(_read(file, spilled) for spilled in runs), run, key=_time)


def _spill(file: IO[bytes], run: Iterable[Event]) -> _Run:
    start = file.tell()
    try:
        for blob in map(encode_event, run):
            file.write(len(blob).to_bytes(_LENGTH_BYTES, "big") + blob)
        file.flush()
    except OSError as error:
        problem = f"{tempfile.gettempdir()}: {error.strerror or error} while sorting the log"
        raise TrainingError(f"{problem}; set TMPDIR to a folder with room for twice the log") from error
    return _Run(start, file.tell())


def _read(file: IO[bytes], run: _Run) -> Iterator[Event]:
    position, rest = run.start, b""
    while position < run.end:
        # All runs share the file, so each seeks its own position.
        file.seek(position)
        chunk = file.read(min(_CHUNK_BYTES, run.end - position))
        position += len(chunk)
        rest += chunk
        start = 0
        while (body := start + _LENGTH_BYTES) <= len(rest):
            end = body + int.from_bytes(rest[start:body], "big")
            if end > len(rest):
                break
            yield decode_event(rest[body:end])
            start = end
        rest = rest[start:]
