"""Finds the column, or the columns, of the time of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from datetime import time as clock_time
from itertools import pairwise
from typing import Any

from presage_training.inspecting.columns import is_nameless, name_score
from presage_training.inspecting.sample import Sample
from presage_training.inspecting.times import TimeGuess, guess_clock, guess_time
from presage_training.inspecting.vocabulary import plain_words

__all__ = ["TimeProposal", "find_times"]

_MAX_CHECKED = 200
_PARTS = {
    "year": ("%Y", 1990, 2100, ("year", "jahr", "annee", "ano", "anno", "jaar", "yyyy")),
    "month": ("%m", 1, 12, ("month", "monat", "mois", "mes", "mese", "maand")),
    "day": ("%d", 1, 31, ("day", "tag", "jour", "dia", "giorno", "dag")),
    "hour": ("%H", 0, 23, ("hour", "stunde", "heure", "hora", "ora", "uur", "hh", "hours", "std")),
    "minute": ("%M", 0, 59, ("minute", "min", "minuto", "minuut", "minutes", "mm")),
    "second": ("%S", 0, 59, ("second", "sec", "sekunde", "seconde", "segundo", "secondo", "seconds", "ss", "sek")),
}
_ZONE_NAMES = (
    "zone",
    "tz",
    "offset",
    "utc offset",
    "timezone",
    "time zone",
    "zeitzone",
    "fuseau",
    "tz offset",
    "gmt offset",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeProposal:
    """Where times are, and how they are written."""

    columns: tuple[str, ...]
    guess: TimeGuess
    remarks: list[str] = field(default_factory=list)


def find_times(sample: Sample) -> TimeProposal | None:
    """Find the time of events; None if no column looks like one."""
    guesses = {
        column: guess
        for column, cells in sample.columns.items()
        if (guess := guess_time(cells, decimal=sample.layout.decimal)) and _may_be_time(column, guess)
    }
    whole = {column: guess for column, guess in guesses.items() if guess.has_clock}
    if whole:
        column = max(
            whole, key=lambda column: (name_score(column, "event_time"), whole[column].share, _order(sample, column))
        )
        return TimeProposal(columns=(column,), guess=whole[column], remarks=_remarks(column, whole[column]))
    if guesses:
        column = max(guesses, key=lambda column: name_score(column, "event_time"))
        return _with_clock(sample, (column,), guesses[column])
    parts = [_part(sample, part) for part in ("year", "month", "day")]
    if all(parts):
        guess = TimeGuess(1.0, text_format="%Y %m %d", has_zone=False, has_clock=False)
        return _with_clock(sample, tuple(filter(None, parts)), guess)
    return None


def _may_be_time(column: str, guess: TimeGuess) -> bool:
    """Ids may look like numbers since 1970, or like dates without separators: such columns need a name that fits."""
    looks_like_id = bool(guess.unit) or guess.text_format in {"%Y%m%d", "%Y%m%d%H%M", "%Y%m%d%H%M%S"}
    return not looks_like_id or name_score(column, "event_time") > 0 or is_nameless(column)


def _order(sample: Sample, column: str) -> float:
    """Return the share of a column's cells that are in order: where names say nothing, times are, and ids are not."""
    cells = sample.texts(column)
    if not is_nameless(column) or len(cells) < 2:
        return 0.0
    return sum(earlier <= later for earlier, later in pairwise(cells)) / len(cells)


def _with_clock(sample: Sample, dates: tuple[str, ...], guess: TimeGuess) -> TimeProposal:
    """Add the columns of the time of day, and of the zone."""
    others = [column for column in sample.columns if column not in dates]
    columns, text_format, is_iso = dates, guess.text_format, not guess.text_format
    clock = next(
        (
            (column, found)
            for column in others
            if (name_score(column, "event_time") or (is_nameless(column) and _has_colons(sample, column)))
            and (found := _clock_of(sample.columns[column])) is not None
        ),
        None,
    )
    if clock:
        columns = (*columns, clock[0])
        date_format = text_format or "%Y-%m-%d"
        # ISO 8601 reads a date and a time of day with a space between them.
        is_iso = is_iso and clock[1] in {"", "%H:%M:%S", "%H:%M", "%H:%M:%S.%f"}
        text_format = "" if is_iso else f"{date_format} {clock[1] or '%H:%M:%S'}"
    elif hour := _part(sample, "hour"):
        parts = [hour, *filter(None, (_part(sample, "minute"), _part(sample, "second")))]
        columns = (*columns, *parts)
        text_format = " ".join((text_format or "%Y-%m-%d", *("%H", "%M", "%S")[: len(parts)]))
        is_iso = False
    zone = next((column for column in others if column not in columns and _is_zone(sample, column)), None)
    if zone and len(columns) > len(dates):
        columns = (*columns, zone)
        text_format = f"{text_format or '%Y-%m-%d %H:%M:%S'} %z"
    has_clock = len(columns) > len(dates)
    guess = replace(guess, text_format=text_format, has_zone=bool(zone) or guess.has_zone, has_clock=has_clock)
    remarks = _remarks(", ".join(columns), guess)
    if not has_clock:
        remarks.append(f"{dates[0]!r} has no time of day: events of a day cannot be put in order, nor into sessions")
    return TimeProposal(columns=columns, guess=guess, remarks=remarks)


def _clock_of(cells: Sequence[Any]) -> str | None:
    """Return the format of times of day, empty for typed ones."""
    present = [cell for cell in cells if cell is not None]
    if present and all(isinstance(cell, clock_time | datetime) for cell in present):
        return ""
    return guess_clock(present)


def _has_colons(sample: Sample, column: str) -> bool:
    return all(":" in text for text in sample.texts(column)[:_MAX_CHECKED])


def _part(sample: Sample, part: str) -> str | None:
    """Return the column that holds a part of times as a number, such as the hour."""
    _, least, most, names = _PARTS[part]
    for column in sample.columns:
        if not set(plain_words(column).split()) & set(names):
            continue
        texts = sample.texts(column)
        if texts and all(text.isdecimal() and least <= int(text) <= most for text in texts):
            return column
    return None


def _is_zone(sample: Sample, column: str) -> bool:
    if plain_words(column) not in _ZONE_NAMES:
        return False
    texts = sample.texts(column)[:_MAX_CHECKED]
    return bool(texts) and all(
        text == "Z" or (text[0] in "+-" and text[1:].replace(":", "").isdecimal()) for text in texts
    )


def _remarks(column: str, guess: TimeGuess) -> list[str]:
    remarks = []
    if not guess.has_zone:
        remarks.append(
            f"{column!r} has times without a zone, which are taken for UTC; change time_zone if they are not"
        )
    if guess.is_ambiguous:
        remarks.append(f"{column!r} may have day and month the other way round: {guess.text_format}")
    return remarks
