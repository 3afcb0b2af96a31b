"""Mappings: TOML files that describe the columns of a shop's own log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from presage_featurizer.events import ATTRIBUTE_NAME, MAX_ATTRIBUTES, Device, EventType
from presage_training.errors import LogFormatError
from presage_training.readers.files.layout import FileLayout
from presage_training.readers.files.opening import is_encoding
from presage_training.readers.files.times import TIME_UNITS
from presage_training.readers.formats.derived import Split

__all__ = ["ATTRIBUTES", "COUNTRY", "CURRENCY", "FIELDS", "SHOWN_FIELDS", "LogMapping", "MappingError"]

COUNTRY = re.compile(r"[A-Z]{2}")
CURRENCY = re.compile(r"[A-Z]{3}")

SHOWN_FIELDS = ("position", "rank_id", "propensity")
"""The fields that say how an item was shown."""

_ITEM_FIELDS = ("category", "brand", "price", "quantity", *SHOWN_FIELDS)
FIELDS = (
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
"""The fields of an event that a mapping may name."""

ATTRIBUTES = ("numbers", "labels")
"""The fields whose values have names of the shop's own: a mapping may name ``numbers.margin``, for example."""

_CONSTANTS = ("event_type", "item_id", "category", "brand", "currency", "country", "device")


class MappingError(LogFormatError):
    """A mapping file is not valid, or matches nothing in the log."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogMapping:
    """How each row of a log becomes an event; validated on creation, which raises MappingError."""

    path: Path
    """The mapping's file, for messages."""
    columns: Mapping[str, str | tuple[str, ...]]
    """The column of the log for each field of the event; in JSON lines the key, with dots for nested objects. Several columns of
    event_time are joined; of those of another field the first that is not empty counts."""
    splits: tuple[Split, ...] = ()
    """Columns that hold several values, whose parts ``columns`` may name."""
    layout: FileLayout = field(default_factory=FileLayout)
    """How text is laid out."""
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
        attributes = {name for name in self.columns if name.startswith(tuple(f"{kind}." for kind in ATTRIBUTES))}
        fields = (*FIELDS, *(f"{kind}.NAME" for kind in ATTRIBUTES))
        self._check_names("columns", (name for name in self.columns if name not in attributes), fields)
        self._check_attributes(attributes)
        self._check_names("constants", self.constants, _CONSTANTS)
        for name in ("user_id", "event_time", "event_type"):
            if name not in self.columns and name not in self.constants:
                self._fail(f"[columns] lacks {name}", f'Say which column it is: {name} = "…".')
        if duplicates := set(self.columns) & set(self.constants):
            self._fail(f"{min(duplicates)} is in [columns] and in [constants]", "Keep one of them.")
        if "item_id" not in {*self.columns, *self.constants} and (
            lost := [name for name in _ITEM_FIELDS if name in self.columns]
        ):
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
        self._check_layout()
        for name, members in (("event_type", EventType.__members__), ("device", Device.__members__)):
            if not members.get(value := self.constants.get(name, "")) and name in self.constants:
                known = ", ".join(other for other in members if members[other])
                self._fail(f"[constants] has the unknown name {value!r}", f"Choose from {known}.")

    def column_text(self, name: str) -> str:
        """Return the column or columns of a field, for messages."""
        source = self.columns[name]
        return source if isinstance(source, str) else ", ".join(source)

    def _check_attributes(self, attributes: Iterable[str]) -> None:
        named = sorted(name.split(".", 1) for name in attributes)
        for kind, name in named:
            if not ATTRIBUTE_NAME.fullmatch(name):
                advice = "Expected a lowercase letter, then up to 31 lowercase letters, digits and underscores."
                self._fail(f"[columns] has the invalid name {name!r} in {kind}", advice)
        for kind in ATTRIBUTES:
            if (count := sum(other == kind for other, _ in named)) > MAX_ATTRIBUTES:
                self._fail(f"[columns] has {count} {kind}", f"An event holds at most {MAX_ATTRIBUTES}.")

    def _check_layout(self) -> None:
        if self.layout.decimal not in {".", ","}:
            self._fail(f"[file] has decimal = {self.layout.decimal!r}", 'Choose "." or ",".')
        if len(self.layout.separator) > 1 or self.layout.separator in {'"', "\r", "\n"}:
            problem = f"[file] has separator = {self.layout.separator!r}"
            self._fail(problem, r'Expected a single character such as ";", or "\t" for tabs.')
        if self.layout.encoding and not is_encoding(self.layout.encoding):
            self._fail(
                f"[file] has the unknown encoding {self.layout.encoding!r}", 'Use "utf-8" or "cp1252", for example.'
            )
        for split in self.splits:
            self._check_split(split)

    def _check_split(self, split: Split) -> None:
        table = f"[split] {split.column!r}"
        if bool(split.separator) == bool(split.pattern):
            self._fail(f"{table} has not exactly one of separator and pattern", "Say how the parts are divided.")
        if len(split.into) < 2 and not split.pattern:
            self._fail(f"{table} has into = {list(split.into)}", 'Name the parts: into = ["user", "session"].')
        try:
            groups = re.compile(split.pattern).groups if split.pattern else len(split.into)
        except re.error as error:
            self._fail(f"{table} has an invalid pattern ({error})", "Use a regular expression of Python.")
            return
        if groups != len(split.into):
            self._fail(
                f"{table} has {groups} groups for {len(split.into)} parts", "Give each part one group, in order."
            )

    def _check_time(self) -> None:
        if self.time_unit and not isinstance(self.columns.get("event_time"), str):
            self._fail("[event_time] has a unit, and several columns", "Name the one that counts from 1970.")
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
