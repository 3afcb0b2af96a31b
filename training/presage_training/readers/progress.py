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

    def update_from(self, file: BinaryIO) -> None:
        """Set the share from a file's position; of a compressed file, from the position in the compressed bytes."""
        compressed = getattr(file, "fileobj", None) or file
        if size := os.fstat(compressed.fileno()).st_size:
            self.share = min(compressed.tell() / size, 1.0)

    def update(self, done: int, total: int) -> None:
        """Set the share from a number of rows, or of other equal parts."""
        if total:
            self.share = done / total
