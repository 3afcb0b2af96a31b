"""Mappings: TOML files that describe the columns of a shop's own log."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from presage_featurizer.events import Device, EventType
from presage_training.errors import LogFormatError
from presage_training.readers.files.times import TIME_UNITS

__all__ = ["COUNTRY", "CURRENCY", "IGNORE", "LogMapping", "MappingError", "load_mapping"]

IGNORE = "IGNORE"
"""The name of an event type whose rows are skipped."""

COUNTRY = re.compile(r"[A-Z]{2}")
CURRENCY = re.compile(r"[A-Z]{3}")

_ITEM_FIELDS = ("category", "brand", "price", "quantity")
_FIELDS = (
    "event_id",
    "event_type",
    "event_time",
    "user_id",
    "session_id",
    "item_id",
    *_ITEM_FIELDS,
    "order_id",
    "value",
    "currency",
    "country",
    "device",
)
_CONSTANTS = ("event_type", "currency", "country", "device")
_TABLES = ("columns", "event_time", "event_types", "devices", "countries", "constants")
_TIME_KEYS = ("unit", "format", "time_zone")
_EnumT = TypeVar("_EnumT", bound=IntEnum)


class MappingError(LogFormatError):
    """A mapping file is not valid, or matches nothing in the log."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogMapping:
    """How each row of a log becomes an event; validated on creation, which raises MappingError."""

    path: Path
    """The mapping's file, for messages."""
    columns: Mapping[str, str]
    """The column of the log for each field of the event; in JSON lines the key, with dots for nested objects."""
    event_types: Mapping[str, EventType | None] = field(default_factory=dict)
    """The event type for each name in the log, None to skip it; if empty, the log uses Presage's names."""
    devices: Mapping[str, Device] = field(default_factory=dict)
    """The device for each name in the log, in addition to Presage's names; UNSPECIFIED for unknown devices."""
    countries: Mapping[str, str] = field(default_factory=dict)
    """The ISO 3166-1 alpha-2 code for each country in the log, in addition to the codes; empty for unknown countries."""
    constants: Mapping[str, str] = field(default_factory=dict)
    """Values for all rows: event_type and device by Presage's names, currency, country."""
    time_unit: str = ""
    """One of TIME_UNITS if event_time is a number since 1970; empty if it is written."""
    time_format: str = ""
    """The format of event_time for ``datetime.strptime``, in addition to ISO 8601."""
    time_zone: str = ""
    """The IANA zone of times written without one; empty if all have one."""

    def __post_init__(self) -> None:
        self._check_names("columns", self.columns, _FIELDS)
        self._check_names("constants", self.constants, _CONSTANTS)
        for name in ("user_id", "event_time", "event_type"):
            if name not in self.columns and name not in self.constants:
                self._fail(f"[columns] lacks {name}", f'Say which column it is: {name} = "…".')
        if duplicates := set(self.columns) & set(self.constants):
            self._fail(f"{min(duplicates)} is in [columns] and in [constants]", "Keep one of them.")
        if "item_id" not in self.columns and (lost := [name for name in _ITEM_FIELDS if name in self.columns]):
            self._fail(f"[columns] has {lost[0]} without item_id", "Say which column names the item.")
        for table, name in (("event_types", "event_type"), ("devices", "device"), ("countries", "country")):
            if getattr(self, table) and name not in self.columns:
                self._fail(f"[{table}] needs the column {name}", f"Add {name} to [columns], or leave [{table}] out.")
        for code in (*self.countries.values(), self.constants.get("country", "")):
            if code and not COUNTRY.fullmatch(code):
                self._fail(f"expected a country's code of two capital letters, got {code!r}", "Use ISO 3166-1 alpha-2.")
        if (currency := self.constants.get("currency", "")) and not CURRENCY.fullmatch(currency):
            self._fail(f"expected a currency's code of three capital letters, got {currency!r}", "Use ISO 4217.")
        self._check_time()
        for name, names in (("event_type", EventType), ("device", Device)):
            if name in self.constants:
                _member(self.path, "constants", self.constants[name], names)

    def _check_time(self) -> None:
        if self.time_unit and (self.time_format or self.time_zone):
            self._fail(
                "[event_time] has a unit beside a format or time_zone", "A count since 1970 needs the unit alone."
            )
        if self.time_unit and self.time_unit not in TIME_UNITS:
            self._fail(
                f"[event_time] has the unknown unit {self.time_unit!r}", f"Choose one of {', '.join(TIME_UNITS)}."
            )
        if self.time_zone:
            try:
                ZoneInfo(self.time_zone)
            except (ValueError, OSError, LookupError):
                advice = 'Use a name of the IANA database such as "Europe/London".'
                self._fail(f"[event_time] has the unknown time_zone {self.time_zone!r}", advice)

    def _check_names(self, table: str, given: Iterable[str], known: Iterable[str]) -> None:
        if unknown := [name for name in given if name not in known]:
            self._fail(f"[{table}] has the unknown field {unknown[0]!r}", f"Choose from {', '.join(known)}.")

    def _fail(self, problem: str, advice: str) -> None:
        raise MappingError(self.path, problem, advice=advice)


def load_mapping(path: Path) -> LogMapping:
    """Read a mapping from a TOML file; ``docs/how-to/replay-a-log.md`` has an example.

    Raises:
        OSError: if the file cannot be read.
        MappingError: if it is not TOML, names a table, field, type or device that does not exist, or lacks a field.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MappingError(path, f"not a readable TOML file ({error})", advice="Fix it there.") from error
    if unknown := [name for name in tables if name not in _TABLES]:
        advice = f"Choose from {', '.join(f'[{name}]' for name in _TABLES)}."
        raise MappingError(path, f"unknown table or key {unknown[0]!r}", advice=advice)
    texts = {name: _texts(path, name, tables.get(name, {})) for name in _TABLES}
    time = texts["event_time"]
    if unknown := [name for name in time if name not in _TIME_KEYS]:
        advice = f"Choose from {', '.join(_TIME_KEYS)}."
        raise MappingError(path, f"[event_time] has the unknown key {unknown[0]!r}", advice=advice)
    return LogMapping(
        path=path,
        columns=texts["columns"],
        event_types={
            word: None if name == IGNORE else _member(path, "event_types", name, EventType)
            for word, name in texts["event_types"].items()
        },
        devices={
            word: _member(path, "devices", name, Device) if name else Device.UNSPECIFIED
            for word, name in texts["devices"].items()
        },
        countries=texts["countries"],
        constants=texts["constants"],
        time_unit=time.get("unit", ""),
        time_format=time.get("format", ""),
        time_zone=time.get("time_zone", ""),
    )


def _texts(path: Path, table: str, values: Any) -> dict[str, str]:
    if not isinstance(values, dict):
        raise MappingError(path, f"{table} is not a table", advice=f"Write it as [{table}].")
    for name, value in values.items():
        if not isinstance(value, str):
            raise MappingError(path, f"[{table}] has {name} = {value!r}", advice="Expected text in quotes.")
    return values


def _member(path: Path, table: str, name: str, names: type[_EnumT]) -> _EnumT:
    member = names.__members__.get(name)
    if not member:
        known = ", ".join(other.name for other in names if other)
        raise MappingError(path, f"[{table}] has the unknown name {name!r}", advice=f"Choose from {known}.")
    return member
