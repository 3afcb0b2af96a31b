"""Reads from the embedded store's log whether its append-only file lacks its end."""

from __future__ import annotations

import logging
import re
from pathlib import Path

__all__ = ["TruncationReport"]

_logger = logging.getLogger(__name__)

_TRUNCATED = re.compile(rb"!!! Truncating the AOF (\S+) at offset (\d+) !!!")


class TruncationReport:
    """Logs that the store dropped the end of its file, once it has; Valkey itself says so in its own log only.

    Args:
        data_dir: The store's data folder.
    """

    def __init__(self, data_dir: Path) -> None:
        self._log = data_dir / "valkey.log"
        self._folder = data_dir / "appendonlydir"
        self._read_bytes = 0
        self._sizes: dict[str, int] = {}

    def before_start(self) -> None:
        """Note how large the files are, and where the log ends."""
        self._read_bytes = _size(self._log)
        self._sizes = {path.name: _size(path) for path in self._folder.glob("*.aof")}

    def report(self) -> None:
        """Read the store's new log lines, and log what was dropped."""
        if _size(self._log) == self._read_bytes:
            return
        with self._log.open("rb") as log:
            log.seek(self._read_bytes)
            new = log.read()
        complete = new.rpartition(b"\n")[0]
        self._read_bytes += len(complete)
        for found in _TRUNCATED.finditer(complete):
            name, offset = found[1].decode(), int(found[2])
            _logger.error(
                "the store's append-only file %s ended in the middle of a write, as after a power failure or on a full disk: its "
                "last %s bytes were dropped, and all that should have followed is lost; see %s",
                name,
                f"{max(self._sizes.get(name, offset) - offset, 0):,}",
                self._log,
            )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
