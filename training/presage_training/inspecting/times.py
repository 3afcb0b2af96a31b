"""Guesses how times are written, from their shapes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from presage_training.readers.files.numbers import readable_numbers
from presage_training.readers.files.times import split_utc

__all__ = ["TimeGuess", "guess_clock", "guess_time"]

_CHECKED = 2_000
_MIN_SHARE = 0.9
_FIRST_SECOND, _LAST_SECOND = 631_152_000, 4_102_444_800  # 1990 to 2100
_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DATES = (
    (re.compile(r"\d{4}([-/.])\d{1,2}\1\d{1,2}"), ("%Y{0}%m{0}%d",)),
    (re.compile(r"\d{1,2}([-/. ])\d{1,2}\1\d{4}"), ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y")),
    (re.compile(r"\d{1,2}([-/.])\d{1,2}\1\d{2}(?!\d)"), ("%d{0}%m{0}%y", "%m{0}%d{0}%y", "%y{0}%m{0}%d")),
    (re.compile(r"\d{1,2}([-/. ])[A-Za-z]{3}\1\d{4}"), ("%d{0}%b{0}%Y",)),
    (re.compile(r"\d{1,2}([ ])[A-Za-z]{4,}\1\d{4}"), ("%d{0}%B{0}%Y",)),
    (re.compile(r"[A-Za-z]{3}([ ])\d{1,2}, \d{4}"), ("%b{0}%d, %Y",)),
    (re.compile(r"[A-Za-z]{4,}([ ])\d{1,2}, \d{4}"), ("%B{0}%d, %Y",)),
    (re.compile(r"(?:19|20)\d{6}()"), ("%Y%m%d",)),
)
_WEEKDAY = re.compile(r"(?P<name>(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?)(?P<after>,? )")
_CLOCKS = (
    (re.compile(r"\d{1,2}([:.])\d{2}\1\d{2}\.\d{1,6}"), "%H{0}%M{0}%S.%f"),
    (re.compile(r"\d{1,2}([:.])\d{2}\1\d{2},\d{1,6}"), "%H{0}%M{0}%S,%f"),
    (re.compile(r"\d{1,2}([:.])\d{2}\1\d{2}(?P<half> ?[AaPp][Mm])"), "%I{0}%M{0}%S"),
    (re.compile(r"\d{1,2}([:.])\d{2}(?P<half> ?[AaPp][Mm])"), "%I{0}%M"),
    (re.compile(r"\d{1,2}([:.])\d{2}\1\d{2}"), "%H{0}%M{0}%S"),
    (re.compile(r"\d{1,2}([:.h])\d{2}"), "%H{0}%M"),
    (re.compile(r"\d{5,6}()"), "%H%M%S"),
    (re.compile(r"\d{3,4}()"), "%H%M"),
)
_BETWEEN = re.compile(r"(?: ?[-,T@|_] ?|:| +)?")
_ZONE = re.compile(r" ?(?:[+-]\d{2}:?\d{2}|Z)")


@dataclass(frozen=True, slots=True)
class TimeGuess:
    """How the times of a column are written."""

    share: float
    """The share of cells that are written so."""
    unit: str = ""
    """The unit of numbers since 1970."""
    text_format: str = ""
    """The format; empty for ISO 8601 and typed times."""
    has_zone: bool = True
    has_clock: bool = True
    """Whether there is a time of day, not only a date."""
    is_ambiguous: bool = False
    """Whether day and month could be the other way round."""


def guess_time(cells: Sequence[Any], *, decimal: str = ".") -> TimeGuess | None:
    """Guess how the times of a column, or its dates, are written; None if it has none."""
    step = -(-len(cells) // _CHECKED) if cells else 1
    checked = [cell for cell in cells[::step] if cell is not None]
    if not checked:
        return None
    if typed := [cell for cell in checked if isinstance(cell, datetime)]:
        zoned = typed[0].tzinfo is not None
        has_clock = zoned or any((cell.hour, cell.minute, cell.second) != (0, 0, 0) for cell in typed)
        return TimeGuess(len(typed) / len(checked), has_zone=zoned, has_clock=has_clock)
    if epoch := _epoch(checked, decimal):
        return epoch
    texts = [str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip() for cell in checked]
    best = max(_written(texts), key=lambda guess: (guess.share, guess.has_clock), default=None)
    return best if best and best.share >= _MIN_SHARE else None


def guess_clock(cells: Sequence[Any]) -> str | None:
    """Guess the format of times of day without a date; None if it is none. Typed times, and ISO 8601, are like text."""
    texts = [str(cell).strip() for cell in cells if cell is not None][:_CHECKED]
    formats = Counter(_clock(text)[0] for text in texts)
    found = [name for name, _ in formats.most_common() if name]
    for text_format in found:
        if sum(_matches(text, text_format) for text in texts) >= _MIN_SHARE * len(texts):
            return text_format
    return None


def _epoch(cells: Sequence[Any], decimal: str) -> TimeGuess | None:
    numbers = readable_numbers(cells, decimal=decimal)
    for unit, per_second in _UNITS.items():
        share = sum(_FIRST_SECOND <= number / per_second <= _LAST_SECOND for number in numbers) / len(cells)
        if share >= _MIN_SHARE:
            return TimeGuess(share, unit=unit)
    return None


def _written(texts: Sequence[str]) -> list[TimeGuess]:
    guesses = []
    moments = [_iso(text) for text in texts]
    if any(moments):
        zoned = any(moment.tzinfo is not None for moment in moments if moment)
        has_clock = any(":" in text for text in texts)
        guesses.append(TimeGuess(sum(map(bool, moments)) / len(texts), has_zone=zoned, has_clock=has_clock))
        if guesses[0].share == 1.0:
            return guesses
    formats = {name for text in dict.fromkeys(texts[:200]) for name in _formats(text)}
    fits = {name: [_parsed(text, name) for text in texts] for name in sorted(formats)}
    shares = {name: sum(map(bool, moments)) / len(texts) for name, moments in fits.items()}
    best = max(shares.values(), default=0.0)
    equal = [name for name in fits if shares[name] == best and best > 0]
    for name in sorted(equal, key=lambda name: _disorder(fits[name]))[:1]:
        ambiguous = sum(sorted(name) == sorted(other) for other in equal) > 1
        has_zone = "%z" in name or all(split_utc(text)[1] for text in texts)
        has_clock = "%H" in name or "%I" in name
        guesses.append(
            TimeGuess(best, text_format=name, has_zone=has_zone, has_clock=has_clock, is_ambiguous=ambiguous)
        )
    return guesses


def _disorder(moments: Sequence[datetime | None]) -> tuple[int, timedelta]:
    """Return how unlikely times are: logs are mostly in order, and days read as months spread over a year."""
    known = [moment for moment in moments if moment]
    return sum(earlier > later for earlier, later in pairwise(known)), max(known) - min(known)


def _iso(text: str) -> datetime | None:
    if not text[:4].isdecimal() or text.isdecimal():
        return None
    written, utc = split_utc(text)
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return None
    return moment.astimezone() if utc else moment


def _formats(text: str) -> list[str]:
    """Return the formats that fit the shape of a time."""
    text, _ = split_utc(text)
    weekday = _WEEKDAY.match(text)
    start = weekday.end() if weekday else 0
    before = "" if not weekday else ("%a" if len(weekday["name"]) == 3 else "%A") + weekday["after"]
    found = []
    for shape, dates in _DATES:
        if not (date := shape.match(text, start)):
            continue
        between = _BETWEEN.match(text, date.end())
        assert between is not None  # it may be empty
        clock, end = _clock(text[between.end() :])
        rest = text[between.end() + end :]
        zone = "" if not rest else (" %z" if rest.startswith(" ") else "%z") if _ZONE.fullmatch(rest) else None
        if zone is None or (not clock and between.end() != len(text)):
            continue
        found += [before + name.format(date[1]) + between[0] + clock + zone for name in dates]
    return found


def _clock(text: str) -> tuple[str, int]:
    """Return the format of the time of day that a text begins with, and where it ends."""
    for shape, name in _CLOCKS:
        if clock := shape.match(text):
            half = clock.groupdict().get("half")
            written = name.format(clock[1]) + ("" if not half else " %p" if half.startswith(" ") else "%p")
            return written, clock.end()
    return "", 0


def _parsed(text: str, text_format: str) -> datetime | None:
    try:
        return datetime.strptime(split_utc(text)[0], text_format)  # noqa: DTZ007 - compared with its like only
    except ValueError:
        return None


def _matches(text: str, text_format: str) -> bool:
    return _parsed(text, text_format) is not None
