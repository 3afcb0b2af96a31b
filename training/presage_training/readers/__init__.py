"""Event logs of several formats, read as events one at a time.

Here: the entry point ``read_events``, the order of events, progress, and the count of skipped rows. Not here: files of rows
(``files``), and what the rows of each format mean (``formats``).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from presage_featurizer.events import Event
from presage_training.readers.formats.archive import read_archive_events
from presage_training.readers.formats.mapped import read_mapped
from presage_training.readers.formats.mapping import LogMapping, MappingError
from presage_training.readers.formats.mapping_file import load_mapping
from presage_training.readers.formats.online_retail import read_online_retail
from presage_training.readers.formats.presage_log import read_presage_log, write_presage_log
from presage_training.readers.formats.rees46 import read_rees46
from presage_training.readers.log_files import LogPart, log_parts, read_parts
from presage_training.readers.progress import ReadProgress
from presage_training.readers.skipped_rows import SkippedExample, SkippedRows
from presage_training.readers.sorting import sorted_by_time

__all__ = [
    "OWN_FORMATS",
    "LogFormat",
    "LogMapping",
    "MappingError",
    "ReadProgress",
    "SkippedExample",
    "SkippedRows",
    "load_mapping",
    "read_events",
    "sorted_by_time",
    "write_presage_log",
]


class LogFormat(StrEnum):
    """The formats that event logs come in."""

    ONLINE_RETAIL = "online-retail"
    """Invoice lines of the UCI data set "Online Retail", as Excel, CSV or Parquet."""
    REES46 = "rees46"
    """REES46's "eCommerce behavior data from multi category store", as Parquet or CSV."""
    PRESAGE = "presage"
    """Presage's own: JSON lines, one event a line, with the field names of ``presage.v1.Event``."""
    ARCHIVE = "archive"
    """The folder that ``presage archive`` writes."""

    @property
    def distinct_ids(self) -> bool:
        """Whether no two events have the same id, because the reader makes the ids or the server has removed duplicates."""
        return self in {LogFormat.REES46, LogFormat.ARCHIVE}


OWN_FORMATS = {LogFormat.PRESAGE: "Presage's own format", LogFormat.ARCHIVE: "an archive"}
"""Presage's own formats, in words."""


def read_events(
    path: Path, source: LogFormat | LogMapping, *, skipped: SkippedRows, progress: ReadProgress | None = None
) -> Iterator[Event]:
    """Read an event log in the order of the file, in memory that does not grow with its length (Excel aside).

    Args:
        path: The file, a folder of files, or a pattern such as ``logs/*.csv``. Text is decompressed while reading.
        source: The format of the file, or a mapping of its columns.
        skipped: Counts the rows that are skipped, with the reason.
        progress: Updated with the share of the log that has been read.

    Yields:
        The events. Their prices and quantities are valid; lengths and other limits are checked by the service.
        ``sorted_by_time`` sorts them by time.

    Raises:
        OSError: if the file cannot be opened.
        LogFormatError: if the file does not have the format of ``source``, or one column has times with and without a zone.
        MappingError: if a mapping turns no row of the file into an event.
    """
    if source is LogFormat.ARCHIVE:
        return read_archive_events(path, skipped=skipped, progress=progress)
    parts = log_parts(path)
    if isinstance(source, LogMapping):
        return read_mapped(parts, source, skipped=skipped, progress=progress)

    def read(part: LogPart) -> Iterator[Event]:
        if source is LogFormat.ONLINE_RETAIL:
            return read_online_retail(part.path, skipped=skipped, progress=progress)
        read_one = read_rees46 if source is LogFormat.REES46 else read_presage_log
        return read_one(part.path, skipped=skipped, progress=progress, stem=part.stem)

    return read_parts(parts, read, skipped=skipped, progress=progress)
