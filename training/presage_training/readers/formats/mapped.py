"""Logs whose columns are described by a mapping."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice, repeat
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from presage_featurizer.events import MAX_VALUE, Device, Event, EventType, Item, money_micros
from presage_training.readers.files.cells import id_text, price_micros, quantity, required_id, text
from presage_training.readers.files.columns import SkipRowError, convert, keep_readable
from presage_training.readers.files.json_tables import read_json_lines
from presage_training.readers.files.tables import file_stem, read_batches
from presage_training.readers.files.times import EpochColumn, TimeColumn
from presage_training.readers.formats.mapping import COUNTRY, CURRENCY, LogMapping, MappingError
from presage_training.readers.progress import ReadProgress
from presage_training.readers.skipped_rows import SkippedRows

__all__ = ["read_mapped"]

_JSON_SUFFIXES = (".jsonl", ".jsonl.gz")
_MAX_SHOWN_NAMES = 8
_PRESAGE_EVENT_TYPES: dict[str, EventType | None] = {member.name: member for member in EventType if member}


def read_mapped(
    path: Path, mapping: LogMapping, *, skipped: SkippedRows, progress: ReadProgress | None = None
) -> Iterator[Event]:
    """Read a log by a mapping; see ``read_events``.

    A row is an event of at most one item. An event without an id gets the file name and the row number as its id, so that replaying
    a file twice counts once.

    Raises:
        MappingError: once the file is read, if it has rows and none of them became an event.
    """
    functions = {name: function for name, function in _functions(path, mapping).items() if name in mapping.columns}
    columns = [mapping.columns[name] for name in functions]
    read = read_json_lines if path.name.endswith(_JSON_SUFFIXES) else read_batches
    stem, defaults = file_stem(path), _defaults(mapping)
    skipped_before, found = skipped.total, False
    for numbers, values, _ in keep_readable(
        convert(read(path, columns, skipped=skipped, progress=progress), functions), skipped
    ):
        found = True
        given = dict(zip(functions, values, strict=True))
        rows = (given.get(name) or repeat(default) for name, default in defaults.items())
        for (
            number, event_type, time, user_id, event_id, session_id,
            item_id, category, brand, price, units, country, device, order_id, value, currency,
        ) in zip(numbers, *rows, strict=False):  # fmt: skip
            yield Event(
                event_id or f"{stem}:{number}",
                event_type,
                user_id,
                time,
                session_id,
                (Item(item_id, category, brand, price, units),) if item_id else (),
                country,
                device,
                order_id,
                value,
                currency,
            )
    if not found and skipped.total > skipped_before:
        _fail_without_events(path, mapping, skipped)


def _functions(path: Path, mapping: LogMapping) -> dict[str, Callable[[Any], Any]]:
    """Return the function that reads the cells of each field."""
    return {
        "event_type": partial(_event_type, mapping=mapping),
        "event_time": _time_column(path, mapping),
        "user_id": partial(required_id, name="a user_id"),
        "event_id": id_text,
        "session_id": id_text,
        "item_id": id_text,
        "category": text,
        "brand": text,
        "price": price_micros,
        "quantity": _units,
        "country": partial(_country, mapping=mapping),
        "device": partial(_device, mapping=mapping),
        "order_id": id_text,
        "value": _value_micros,
        "currency": _currency,
    }


def _defaults(mapping: LogMapping) -> dict[str, Any]:
    """Return the values of fields that the log does not have, in the order in which ``read_mapped`` unpacks them."""
    constants = mapping.constants
    return {
        "event_type": EventType[constants.get("event_type", "UNSPECIFIED")],
        "event_time": 0,
        "user_id": "",
        "event_id": "",
        "session_id": "",
        "item_id": "",
        "category": "",
        "brand": "",
        "price": 0,
        "quantity": 1,
        "country": constants.get("country", ""),
        "device": Device[constants.get("device", "UNSPECIFIED")],
        "order_id": "",
        "value": None,
        "currency": constants.get("currency", ""),
    }


def _time_column(path: Path, mapping: LogMapping) -> EpochColumn | TimeColumn:
    if mapping.time_unit:
        return EpochColumn(mapping.time_unit)
    return TimeColumn(
        path,
        mapping.columns["event_time"],
        time_zone=ZoneInfo(mapping.time_zone) if mapping.time_zone else None,
        text_formats=(mapping.time_format,) if mapping.time_format else (),
        advice=f'Say in {mapping.path} which zone that is: [event_time] time_zone = "Europe/London", for example.',
    )


def _event_type(cell: Any, mapping: LogMapping) -> EventType:
    word = id_text(cell)
    known = mapping.event_types or _PRESAGE_EVENT_TYPES
    if word not in known:
        shown = [*islice(known, _MAX_SHOWN_NAMES), *(["…"] if len(known) > _MAX_SHOWN_NAMES else [])]
        raise SkipRowError("unknown event type", f"expected one of {', '.join(shown)}, got {word!r}")
    event_type = known[word]
    if event_type is None:
        raise SkipRowError("event type that the mapping ignores", f"{word!r} in {mapping.columns['event_type']!r}")
    return event_type


def _country(cell: Any, mapping: LogMapping) -> str:
    word = text(cell).strip()
    code = mapping.countries.get(word, word)
    if code and not COUNTRY.fullmatch(code):
        raise SkipRowError(
            "unknown country", f"expected a code such as GB, or a word that [countries] explains, got {word!r}"
        )
    return code


def _device(cell: Any, mapping: LogMapping) -> Device:
    word = text(cell).strip()
    device = mapping.devices.get(word, Device.__members__.get(word))
    if device is None and word:
        raise SkipRowError(
            "unknown device", f"expected MOBILE, for example, or a word that [devices] explains, got {word!r}"
        )
    return device or Device.UNSPECIFIED


def _currency(cell: Any) -> str:
    code = text(cell).strip()
    if code and not CURRENCY.fullmatch(code):
        raise ValueError(f"expected a currency's code such as EUR, got {code!r}")
    return code


def _units(cell: Any) -> int:
    if not text(cell):
        return 1
    units = quantity(cell)
    if units < 1:
        raise ValueError(f"expected a quantity of at least 1, got {cell!r}")
    return units


def _value_micros(cell: Any) -> int | None:
    if not text(cell):
        return None
    value = float(cell)
    if not 0.0 <= value <= MAX_VALUE:
        raise ValueError(f"expected a value from 0 to {MAX_VALUE:g}, got {cell!r}")
    return money_micros(value)


def _fail_without_events(path: Path, mapping: LogMapping, skipped: SkippedRows) -> None:
    reason = max(skipped.counts, key=skipped.counts.__getitem__)
    example = skipped.examples[reason][0]
    problem = f"no row of {path} became an event: {reason}, for example {example.where}: {example.what}"
    raise MappingError(mapping.path, problem, advice="Fix the mapping there, or name the one for this log.")
