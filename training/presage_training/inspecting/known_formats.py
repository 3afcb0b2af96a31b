"""Finds out whether a log is of one of Presage's own formats, which need no mapping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from presage_featurizer.event_log import CHECKPOINT_FILE
from presage_featurizer.events import EventType
from presage_training.readers import LogFormat
from presage_training.readers.files.opening import read_beginning
from presage_training.readers.files.tables import FileKind, file_kind
from presage_training.readers.log_files import log_parts

__all__ = ["known_format"]

_LINES = 20


class _Line(msgspec.Struct):
    """The keys that every line of Presage's own format has."""

    type: str
    user_id: str
    event_time_unix_micros: int


def known_format(log: Path) -> LogFormat | None:
    """Return Presage's own format or that of an archive if the log has it; None for logs that need a mapping.

    Raises:
        OSError: if the log cannot be opened.
        LogFormatError: if it leads to no file, or to one that cannot be read.
    """
    if (log / CHECKPOINT_FILE).is_file():
        return LogFormat.ARCHIVE
    first = log_parts(log)[0].path
    if file_kind(first) is not FileKind.JSON:
        return None
    *lines, last = read_beginning(first).splitlines()[: _LINES + 1]
    whole = [line for line in lines or [last] if line.strip()]
    return LogFormat.PRESAGE if 2 * sum(map(_is_event, whole)) > len(whole) else None


def _is_event(line: bytes) -> bool:
    try:
        event: Any = msgspec.json.decode(line, type=_Line)
    except (msgspec.DecodeError, ValueError):
        return False
    return event.type.removeprefix("EVENT_TYPE_") in EventType.__members__
