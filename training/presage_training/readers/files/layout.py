"""How text files are laid out: their encoding, the separator of cells, and how numbers and missing cells are written."""

from __future__ import annotations

from dataclasses import dataclass

from presage_featurizer.ranking.separators import split_line

__all__ = ["COMMAS", "FileLayout"]


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
