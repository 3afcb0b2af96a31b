"""How much of a log has been read."""

from __future__ import annotations

import os
from typing import BinaryIO

__all__ = ["Extent"]


class Extent:
    """The share of a log that has been read so far, as far as that is known."""

    def __init__(self) -> None:
        self.share = 0.0
        """From 0 to 1; 0 also where it is not known, as in a workbook or a pipe."""

    def read_until(self, file: BinaryIO) -> None:
        """Note where a file is being read; of a packed one, its packed bytes count."""
        packed = getattr(file, "fileobj", None) or file
        if size := os.fstat(packed.fileno()).st_size:
            self.share = min(packed.tell() / size, 1.0)

    def read_rows(self, done: int, of: int) -> None:
        """Note how many of all rows, or of other equal parts, have been read."""
        if of:
            self.share = done / of
