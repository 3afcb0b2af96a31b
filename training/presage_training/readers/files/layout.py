"""How text files are laid out: their encoding, the separator of cells, and how numbers and missing cells are written."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["COMMAS", "SEPARATORS", "FileLayout", "guess_separator", "split_line"]

SEPARATORS = ("\t", "|", ";", ",")
"""The separators that are guessed, the rarer in texts first; any other single character can be named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileLayout:
    """How text files are laid out. Files whose cells have types ignore all but ``missing``."""

    encoding: str = ""
    """The encoding; guessed from the beginning of each file if empty."""
    separator: str = ""
    """The character between cells; guessed from the header of each file if empty."""
    decimal: str = "."
    """The decimal point of numbers that are text: a point or a comma."""
    has_header: bool = True
    """Whether the first line of text names the columns; if not, they are ``column_1``, ``column_2`` and so on."""
    missing: tuple[str, ...] = ()
    """Words that mean an empty cell, such as NULL."""

    def column_names(self, first: str, separator: str) -> list[str]:
        """Return the names of the columns of a text file with this first line."""
        cells = split_line(first, separator)
        return cells if self.has_header else [f"column_{number}" for number in range(1, len(cells) + 1)]


COMMAS = FileLayout(encoding="utf-8", separator=",")
"""The layout of the CSV files of known formats."""


def guess_separator(header: str, wanted: Sequence[str] = (), following: Sequence[str] = ()) -> str:
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
