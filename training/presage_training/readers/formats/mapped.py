"""Logs whose columns are described by a mapping."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from presage_featurizer.events import Device, Event, EventType, Item, Shown
from presage_training.readers.files.cells import id_text, required_id, text
from presage_training.readers.files.columns import convert, keep_readable
from presage_training.readers.files.tables import first_rows, read_batches
from presage_training.readers.files.times import EpochColumn, TimeColumn
from presage_training.readers.formats.derived import DerivedColumns
from presage_training.readers.formats.mapping import ATTRIBUTES, FIELDS, SHOWN_FIELDS, LogMapping, MappingError
from presage_training.readers.formats.words import (
    country_code,
    currency_code,
    device_of,
    event_type_of,
    optional_label,
    optional_number,
    optional_position,
    optional_price,
    optional_propensity,
    optional_rank_id,
    optional_units,
    optional_value,
)
from presage_training.readers.log_files import LogPart, read_parts
from presage_training.readers.progress import ReadProgress
from presage_training.readers.skipped_rows import SkippedRows

__all__ = ["read_mapped"]


def read_mapped(
    parts: Sequence[LogPart],
    mapping: LogMapping,
    *,
    skipped: SkippedRows,
    progress: ReadProgress | None = None,
    rows_per_part: int | None = None,
) -> Iterator[Event]:
    """Read a log by a mapping, or only the first rows of each part; see ``read_events``.

    A row is an event of at most one item. An event without an id gets the name of its file and the row number as its id, so that
    replaying a file twice counts once.

    Raises:
        MappingError: once the log is read, if it has rows and none of them became an event.
    """
    skipped_before, found = skipped.total, False
    read = partial(_read_part, mapping=mapping, skipped=skipped, progress=progress, rows=rows_per_part)
    for event in read_parts(parts, read, skipped=skipped, progress=progress):
        found = True
        yield event
    if not found and skipped.total > skipped_before:
        _fail_without_events(parts[0].path, mapping, skipped)


def _read_part(
    part: LogPart, mapping: LogMapping, skipped: SkippedRows, progress: ReadProgress | None, rows: int | None
) -> Iterator[Event]:
    functions = {name: function for name, function in _functions(part.path, mapping).items() if name in mapping.columns}
    derived = DerivedColumns(
        fields={name: mapping.columns[name] for name in functions},
        splits=mapping.splits,
        missing=frozenset(mapping.layout.missing),
    )
    batches = read_batches(part.path, derived.needed, skipped=skipped, progress=progress, layout=mapping.layout)
    names = [mapping.column_text(name) for name in functions]
    defaults = _defaults(mapping)
    tables = convert(derived.derive(first_rows(batches, rows)), functions)
    for row_numbers, values, _ in keep_readable(tables, names, skipped):
        given = dict(zip(functions, values, strict=True))
        fields = (given.get(name) or repeat(default) for name, default in defaults.items())
        attributes = (_attributes(kind, given) for kind in ATTRIBUTES)
        for (
            number, event_type, time, user_id, event_id, session_id,
            item_id, category, brand, price, units, country, device, order_id, value, currency,
            own_numbers, own_labels, shown,
        ) in zip(row_numbers, *fields, *attributes, _shown(given), strict=False):  # fmt: skip
            yield Event(
                event_id or f"{part.stem}:{number}",
                event_type,
                user_id,
                time,
                session_id,
                (Item(item_id, category, brand, price, units, shown),) if item_id else (),
                country,
                device,
                order_id,
                value,
                currency,
                numbers=own_numbers,
                labels=own_labels,
            )


def _functions(path: Path, mapping: LogMapping) -> dict[str, Callable[[Any], Any]]:
    """Return the function that reads the cells of each field."""
    decimal = mapping.layout.decimal
    return {
        "event_type": partial(event_type_of, mapping=mapping),
        "event_time": _time_column(path, mapping),
        "user_id": partial(required_id, name="a user_id"),
        "event_id": id_text,
        "session_id": id_text,
        "item_id": id_text,
        "category": text,
        "brand": text,
        "price": partial(optional_price, decimal=decimal),
        "quantity": partial(optional_units, decimal=decimal),
        "position": partial(optional_position, decimal=decimal),
        "rank_id": optional_rank_id,
        "propensity": partial(optional_propensity, decimal=decimal),
        "country": partial(country_code, mapping=mapping),
        "device": partial(device_of, mapping=mapping),
        "order_id": id_text,
        "value": partial(optional_value, decimal=decimal),
        "currency": currency_code,
        **{
            name: optional_label if name.startswith("labels.") else partial(optional_number, decimal=decimal)
            for name in mapping.columns
            if name not in FIELDS
        },
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
        "item_id": constants.get("item_id", ""),
        "category": constants.get("category", ""),
        "brand": constants.get("brand", ""),
        "price": 0,
        "quantity": 1,
        "country": constants.get("country", ""),
        "device": Device[constants.get("device", "UNSPECIFIED")],
        "order_id": "",
        "value": None,
        "currency": constants.get("currency", ""),
    }


def _attributes(kind: str, given: Mapping[str, Sequence[Any]]) -> Iterable[dict[str, Any]]:
    """Return the numbers or the labels of each row, without the missing ones."""
    columns = {field.partition(".")[2]: field for field in sorted(given) if field.startswith(f"{kind}.")}
    if not columns:
        return repeat({})
    rows = zip(*(given[field] for field in columns.values()), strict=True)
    return ({name: value for name, value in zip(columns, row, strict=True) if value is not None} for row in rows)


def _shown(given: Mapping[str, Sequence[Any]]) -> Iterable[Shown | None]:
    """Return how the item of each row was shown; None where nothing is said of it."""
    if given.keys().isdisjoint(SHOWN_FIELDS):
        return repeat(None)
    columns = (given.get(name) or repeat(default) for name, default in zip(SHOWN_FIELDS, (0, "", 0.0), strict=True))
    return (Shown(*row) if any(row) else None for row in zip(*columns, strict=False))


def _time_column(path: Path, mapping: LogMapping) -> EpochColumn | TimeColumn:
    if mapping.time_unit:
        return EpochColumn(mapping.time_unit, decimal=mapping.layout.decimal)
    return TimeColumn(
        path,
        mapping.column_text("event_time"),
        time_zone=ZoneInfo(mapping.time_zone) if mapping.time_zone else None,
        text_formats=(mapping.time_format,) if mapping.time_format else (),
        advice=f'Say in {mapping.path} which zone that is: [event_time] time_zone = "Europe/London", for example.',
    )


def _fail_without_events(path: Path, mapping: LogMapping, skipped: SkippedRows) -> None:
    reason = max(skipped.counts, key=skipped.counts.__getitem__)
    example = skipped.examples[reason][0]
    problem = f"no row of {path} became an event: {reason}, for example {example.where}: {example.what}"
    raise MappingError(mapping.path, problem, advice="Fix the mapping there, or name the one for this log.")
