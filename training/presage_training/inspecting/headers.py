"""Guesses whether the first line of a text file names its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from presage_featurizer.ranking.separators import split_line
from presage_training.inspecting.times import guess_clock, guess_time
from presage_training.readers.files.csv_tables import first_lines
from presage_training.readers.files.layout import FileLayout
from presage_training.readers.log_files import LogPart

__all__ = ["names_columns"]

_LIKE_DATA = re.compile(
    r"""[-+]?[\d.,'\s]*\d          # numbers
    | [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12} | [0-9a-f]{16,}
    | https?://.* | \S+@\S+\.\w+ | \d+(\.\d+){3}""",
    re.VERBOSE | re.IGNORECASE,
)
_MIN_SHARE = 0.8


def names_columns(parts: Sequence[LogPart], layout: FileLayout) -> bool:
    """Return whether the first lines of files name their columns: they do unless their cells look like those of the other lines.

    A cell that is a number, a time, an address or a long id is data if most cells below it are of the same kind.
    """
    first, *others = [split_line(line, layout.separator) for line in first_lines(parts[0].path, layout)]
    others = [cells for cells in others if len(cells) == len(first)]
    for place, cell in enumerate(first):
        kind = _kind(cell)
        below = [cells[place] for cells in others if cells[place].strip()]
        if kind and below and sum(_kind(other) == kind for other in below) >= _MIN_SHARE * len(below):
            return False
    return True


def _kind(cell: str) -> str:
    text = cell.strip()
    if not text:
        return ""
    if _LIKE_DATA.fullmatch(text):
        return "data"
    return "time" if guess_time([text]) or guess_clock([text]) else ""
