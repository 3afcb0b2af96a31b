"""How much of a log has been read."""

from __future__ import annotations

import os
from typing import BinaryIO

__all__ = ["ReadProgress"]


class ReadProgress:
    """The share of a log that has been read so far, updated by the reader."""

    def __init__(self) -> None:
        self.share = 0.0
        """From 0 to 1; stays 0 where the length is unknown, as of a workbook or a pipe."""
        self._file, self._files = 0, 1

    def start_file(self, file: int, files: int) -> None:
        """Start with one of several files, numbered from 0, each of which is an equal part of the log."""
        self._file, self._files = file, files
        self.share = file / files

    def update_from(self, file: BinaryIO) -> None:
        """Set the share from a file's position; of a compressed file, from the position in the compressed bytes."""
        compressed = getattr(file, "fileobj", None) or file
        if size := os.fstat(compressed.fileno()).st_size:
            self.update(min(compressed.tell(), size), size)

    def update(self, done: int, total: int) -> None:
        """Set the share from a number of rows, or of other equal parts."""
        if total:
            self.share = (self._file + done / total) / self._files
