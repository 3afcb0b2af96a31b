"""Event logs of several formats, read as events one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from presage_featurizer.events import Event
from presage_training.readers.online_retail import read_online_retail
from presage_training.readers.presage_log import read_presage_log, write_presage_log
from presage_training.readers.rees46 import read_rees46
from presage_training.readers.skips import SkipExample, Skips

__all__ = ["LogFormat", "SkipExample", "Skips", "read_events", "write_presage_log"]


class LogFormat(StrEnum):
    """The formats that event logs come in."""

    ONLINE_RETAIL = "online-retail"
    """Invoice lines of the UCI data set "Online Retail", as Parquet or CSV."""
    REES46 = "rees46"
    """REES46's "eCommerce behavior data from multi category store", as Parquet or CSV."""
    PRESAGE = "presage"
    """Our own: JSON lines, one event a line, with the field names of ``presage.v1.Event``."""


_READERS = {
    LogFormat.ONLINE_RETAIL: read_online_retail,
    LogFormat.REES46: read_rees46,
    LogFormat.PRESAGE: read_presage_log,
}


def read_events(path: Path, log_format: LogFormat, *, skips: Skips) -> Iterator[Event]:
    """Read an event log in the order of the file, in bounded memory.

    Args:
        path: The file; a name that ends with ``.gz`` is unpacked on the way, Parquet aside.
        log_format: What the file holds.
        skips: Is told of everything that is left out, and why.

    Yields:
        The events. Their prices and quantities are valid; lengths and other limits of the service are left to the service.

    Raises:
        OSError: if the file cannot be opened.
        LogFormatError: if the file as a whole is not what ``log_format`` says.
    """
    return _READERS[log_format](path, skips=skips)
