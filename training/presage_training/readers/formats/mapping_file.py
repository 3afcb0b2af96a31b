"""Reads mappings from TOML files."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeVar

from presage_featurizer.events import Device, EventType
from presage_training.readers.files.layout import FileLayout
from presage_training.readers.formats.derived import Split
from presage_training.readers.formats.mapping import ATTRIBUTES, LogMapping, MappingError

__all__ = ["IGNORE", "load_mapping"]

IGNORE = "IGNORE"
"""The name of an event type whose rows are skipped."""

_TABLES = ("file", "columns", "split", "event_time", "event_types", "devices", "countries", "constants")
_TEXT_TABLES = ("event_time", "event_types", "devices", "countries", "constants")
_FILE_KEYS = ("encoding", "separator", "decimal", "missing")
_SPLIT_KEYS = ("into", "separator", "pattern")
_TIME_KEYS = ("unit", "format", "time_zone")
_EnumT = TypeVar("_EnumT", bound=IntEnum)


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
    texts = {name: _texts(path, name, tables.get(name, {})) for name in _TEXT_TABLES}
    time = texts["event_time"]
    _check_keys(path, "[event_time]", time, _TIME_KEYS)
    return LogMapping(
        path=path,
        columns={name: _text_or_texts(path, "columns", name, value) for name, value in _columns(path, tables)},
        splits=tuple(_split(path, column, table) for column, table in _table(path, tables, "split")),
        layout=_layout(path, dict(_table(path, tables, "file"))),
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


def _layout(path: Path, table: dict[str, Any]) -> FileLayout:
    _check_keys(path, "[file]", table, _FILE_KEYS)
    missing = _text_or_texts(path, "file", "missing", table.pop("missing", ()))
    texts = _texts(path, "file", table)
    return FileLayout(**texts, missing=(missing,) if isinstance(missing, str) else missing)


def _split(path: Path, column: str, table: Any) -> Split:
    if not isinstance(table, dict):
        advice = f'Write it as [split."{column}"], with a separator and the names of the parts.'
        raise MappingError(path, f"[split] has {column} = {table!r}", advice=advice)
    _check_keys(path, f"[split.{column}]", table, _SPLIT_KEYS)
    into = _text_or_texts(path, f"split.{column}", "into", table.pop("into", ()))
    texts = _texts(path, f"split.{column}", table)
    return Split(column=column, into=(into,) if isinstance(into, str) else into, **texts)


def _check_keys(path: Path, place: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    if unknown := [name for name in table if name not in known]:
        raise MappingError(
            path, f"{place} has the unknown key {unknown[0]!r}", advice=f"Choose from {', '.join(known)}."
        )


def _table(path: Path, tables: Mapping[str, Any], name: str) -> list[tuple[str, Any]]:
    table = tables.get(name, {})
    if not isinstance(table, dict):
        raise MappingError(path, f"{name} is not a table", advice=f"Write it as [{name}].")
    return list(table.items())


def _columns(path: Path, tables: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in _table(path, tables, "columns"):
        if name in ATTRIBUTES and isinstance(value, dict):  # TOML reads numbers.margin = "…" as a table
            yield from ((f"{name}.{key}", column) for key, column in value.items())
        else:
            yield name, value


def _text_or_texts(path: Path, table: str, name: str, value: Any) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(text, str) for text in value):
        return tuple(value)
    raise MappingError(path, f"[{table}] has {name} = {value!r}", advice="Expected text in quotes.")


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
