"""Tries a mapping on the sample that it was made from, or a known format on the first events of a log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from presage_featurizer import Event
from presage_training.errors import LogFormatError
from presage_training.inspecting.sample import Sample
from presage_training.readers import LogFormat, read_events
from presage_training.readers.formats.mapped import read_mapped
from presage_training.readers.formats.mapping_file import load_mapping
from presage_training.readers.skipped_rows import SkippedRows
from presage_training.replaying.event_order import CountedOrder, EventOrder

__all__ = ["SampleCheck", "check_format", "check_mapping"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleCheck:
    """How a mapping reads a sample."""

    events: int
    types: Mapping[str, int]
    """The events of each type."""
    visitors: int
    order: EventOrder
    """How many events come after later ones of their visitor."""
    skipped: SkippedRows
    problem: str = ""
    """Why the mapping cannot be used at all; empty if it can."""


def check_mapping(sample: Sample, mapping: Path) -> SampleCheck:
    """Read the rows of a sample by a mapping's file.

    Raises:
        OSError: if a file cannot be read.
    """
    skipped = SkippedRows()
    try:
        return _checked(
            read_mapped(sample.parts, load_mapping(mapping), skipped=skipped, rows_per_part=sample.rows_per_part),
            skipped,
        )
    except LogFormatError as error:
        return SampleCheck(events=0, types={}, visitors=0, order=EventOrder(), skipped=skipped, problem=str(error))


def check_format(log: Path, log_format: LogFormat, *, events: int) -> SampleCheck:
    """Read the first events of a log of a known format.

    Raises:
        OSError: if a file cannot be read.
        LogFormatError: if it does not have the format.
    """
    skipped = SkippedRows()
    return _checked(islice(read_events(log, log_format, skipped=skipped), events), skipped)


def _checked(events: Iterable[Event], skipped: SkippedRows) -> SampleCheck:
    types: Counter[str] = Counter()
    counted = CountedOrder(events)
    for event in counted:
        types[event.type.name] += 1
    order = counted.order
    return SampleCheck(
        events=types.total(),
        types=dict(types.most_common()),
        visitors=order.visitors,
        order=order,
        skipped=skipped,
    )
