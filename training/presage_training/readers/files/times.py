"""Times of a column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from presage_featurizer import MAX_UNIX_MICROS, MICROS
from presage_training.errors import LogFormatError
from presage_training.quoting import printable
from presage_training.readers.files.numbers import read_number

__all__ = ["TIME_UNITS", "EpochColumn", "TimeColumn", "split_utc"]

TIME_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
"""The units of numeric times since 1970-01-01 UTC, and how many of each make a second."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UTC = re.compile(r" (?:UTC|GMT)$")


class TimeColumn:
    """Converts written times to microseconds since 1970-01-01 UTC; checks that either all or none have zones."""

    def __init__(
        self, path: Path, column: str, *, time_zone: tzinfo | None, text_formats: Sequence[str] = (), advice: str = ""
    ) -> None:
        """Create a reader of one column.

        Args:
            path: The log, for messages.
            column: The name of the column, for messages.
            time_zone: What a time without a zone of its own is in; None if such times are not expected.
            text_formats: How text may be written, besides ISO 8601; see ``datetime.strptime``. ``UTC`` or ``GMT`` may follow.
            advice: What to do where a time without a zone is met and ``time_zone`` is None.
        """
        self._path = path
        self._column = column
        self._time_zone = time_zone
        self._text_formats = text_formats
        self._advice = advice
        self._examples: dict[bool, Any] = {}

    def __call__(self, cell: Any) -> int:
        """Read a datetime or text.

        Raises:
            ValueError: It is neither.
            LogFormatError: Other times of the column have a zone and this one has none, or the other way round.
        """
        moment = cell if isinstance(cell, datetime) else self._parse(str("" if cell is None else cell))
        zoned = moment.tzinfo is not None
        if zoned not in self._examples:
            self._meet(cell, zoned=zoned)
        if not zoned:
            moment = moment.replace(tzinfo=self._time_zone)
        return _checked((moment - _EPOCH) // _MICROSECOND, cell)

    def _meet(self, cell: Any, *, zoned: bool) -> None:
        if not zoned and self._time_zone is None:
            raise LogFormatError(
                self._path,
                f"column {self._column!r} has times without a zone: {printable(str(cell))}",
                advice=self._advice,
            )
        self._examples[zoned] = cell
        if len(self._examples) == 2:
            example, other = (printable(str(self._examples[zoned])) for zoned in (True, False))
            problem = f"column {self._column!r} has times with a zone ({example}) and without ({other})"
            raise LogFormatError(self._path, problem, advice="Write all of them with a zone, or none.")

    def _parse(self, text: str) -> datetime:
        text = text.strip()
        written, utc = split_utc(text)
        moment = self._parse_written(written)
        if moment is None or (utc and moment.tzinfo is not None):
            raise ValueError(f"expected a time, got {text!r}")
        return moment.replace(tzinfo=UTC) if utc else moment

    def _parse_written(self, text: str) -> datetime | None:
        # The formats go first: ISO 8601 would misread some dates in another order, such as 10111112.
        for text_format in self._text_formats:
            try:
                return datetime.strptime(text, text_format)  # noqa: DTZ007 - the caller knows the zone
            except ValueError:
                continue
        if text.isdecimal() and len(text) != len("20101201"):
            return None  # a number of seconds since 1970 may look like a date and a time
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return None


def split_utc(text: str) -> tuple[str, bool]:
    """Return a written time without the ``UTC`` or ``GMT`` after it, and whether it had one."""
    written = _UTC.sub("", text)
    return written, written != text


class EpochColumn:
    """Converts numeric times since 1970-01-01 UTC to microseconds."""

    def __init__(self, unit: str, *, decimal: str = ".") -> None:
        """Create a reader of a column; ``unit`` is one of TIME_UNITS, ``decimal`` the decimal point of text."""
        self._unit = unit
        self._decimal = decimal
        self._per_second = TIME_UNITS[unit]

    def __call__(self, cell: Any) -> int:
        """Read a number or numeric text, rounded down to microseconds; raises ValueError for anything else."""
        try:
            # Whole numbers are not converted to float, which would round them.
            whole = isinstance(cell, int) or (isinstance(cell, str) and cell.strip().isdecimal())
            if whole:
                micros = int(cell) * MICROS // self._per_second
            else:
                micros = round(read_number(cell, decimal=self._decimal) * MICROS / self._per_second)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"expected a number of {self._unit} since 1970, got {cell!r}") from None
        return _checked(micros, cell)


def _checked(micros: int, cell: Any) -> int:
    if not 1 <= micros <= MAX_UNIX_MICROS:
        raise ValueError(f"expected a time between 1970 and 2255, got {cell}")
    return micros
