"""What separates the cells of a text file: guessed in the same way for logs and for catalogues, wherever they are read."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence

__all__ = ["SEPARATORS", "guess_separator", "split_line"]

SEPARATORS = ("\t", "|", ";", ",")
"""The separators that are guessed, the rarer in texts first; any other single character can be named."""


def guess_separator(header: str, wanted: Collection[str] = (), following: Sequence[str] = ()) -> str:
    """Guess the separator of a file: the one that finds most wanted columns, and gives most lines the header's number of cells.

    Args:
        header: The first line.
        wanted: The columns that the file should have.
        following: A few lines after it.
    """

    def score(separator: str) -> tuple[int, int, int]:
        names = split_line(header, separator)
        regular = sum(len(split_line(line, separator)) == len(names) for line in following) if len(names) > 1 else 0
        return len(set(wanted) & set(names)), regular, len(names)

    return max(SEPARATORS, key=score)


def split_line(line: str, separator: str) -> list[str]:
    """Split one line; empty for an empty line, a single cell if it is unparseable."""
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return [line]
