"""Tries a mapping on the sample that it was made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from presage_training.errors import LogFormatError
from presage_training.inspecting.sample import Sample
from presage_training.readers.formats.mapped import read_mapped
from presage_training.readers.formats.mapping_file import load_mapping
from presage_training.readers.skipped_rows import SkippedRows
from presage_training.replaying.event_order import CountedOrder, EventOrder

__all__ = ["SampleCheck", "check_mapping"]


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
    types: Counter[str] = Counter()
    order = EventOrder()
    problem = ""
    try:
        events = CountedOrder(
            read_mapped(sample.parts, load_mapping(mapping), skipped=skipped, rows_per_part=sample.rows_per_part)
        )
        for event in events:
            types[event.type.name] += 1
        order = events.order
    except LogFormatError as error:
        problem = str(error)
    return SampleCheck(
        events=types.total(),
        types=dict(types.most_common()),
        visitors=order.visitors,
        order=order,
        skipped=skipped,
        problem=problem,
    )
