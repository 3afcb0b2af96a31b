"""Presage's own event log: JSON lines, one event a line, with the field names of ``presage.v1.Event``."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from presage_featurizer import MAX_UNIX_MICROS
from presage_featurizer.events import (
    MAX_POSITION,
    MAX_PRICE,
    MAX_VALUE,
    MICROS,
    Device,
    Event,
    EventType,
    Item,
    Shown,
    money_micros,
)
from presage_featurizer.state import MAX_QUANTITY
from presage_training.errors import LogFormatError
from presage_training.quoting import printable
from presage_training.readers.files.opening import UNREADABLE, open_binary
from presage_training.readers.files.tables import DOWNLOAD_AGAIN, file_stem
from presage_training.readers.formats.attributes import Lost, valid_labels, valid_numbers
from presage_training.readers.formats.unknown_keys import UnknownKeys
from presage_training.readers.progress import ReadProgress
from presage_training.readers.reasons import LimitedReasons
from presage_training.readers.skipped_rows import SkippedRows

__all__ = ["read_presage_log", "write_presage_log"]

_MAX_SHOWN_CHARACTERS = 60
_PROGRESS_INTERVAL_LINES = 1_000

_NOT_SHOWN = Shown()

_Id = Annotated[str, Meta(min_length=1)]


class _JsonItem(Struct, omit_defaults=True, forbid_unknown_fields=True):
    item_id: _Id
    category: str = ""
    brand: str = ""
    price: Annotated[float, Meta(ge=0.0, le=MAX_PRICE)] = 0.0
    quantity: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)] = 1
    position: Annotated[int, Meta(ge=0, le=MAX_POSITION)] = 0
    rank_id: str = ""
    propensity: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0


class _JsonEvent(Struct, omit_defaults=True, forbid_unknown_fields=True):
    type: str
    user_id: _Id
    event_time_unix_micros: Annotated[int, Meta(ge=1, le=MAX_UNIX_MICROS)]
    event_id: str = ""
    session_id: str = ""
    items: tuple[_JsonItem, ...] = ()
    country: str = ""
    device: str = ""
    order_id: str = ""
    value: Annotated[float, Meta(ge=0.0, le=MAX_VALUE)] | None = None
    currency: str = ""
    numbers: dict[str, Any] = {}
    labels: dict[str, Any] = {}


class _LostValues:
    """Counts the values that are invalid in lines that are kept."""

    def __init__(self, skipped: SkippedRows, reasons: LimitedReasons) -> None:
        self._skipped = skipped
        self._reasons = reasons

    def add(self, number: int, kind: str, detail: str, what: str) -> None:
        self._skipped.add_value(self._reasons.of(kind, detail), where=f"line {number}", what=what)


_ITEM_KEYS = _JsonItem.__struct_fields__
_EVENT_KEYS = _JsonEvent.__struct_fields__
_KEYS = (*_EVENT_KEYS, *(f"items.{name}" for name in _ITEM_KEYS))
_SYNONYMS = {"event_type": "type", "event_time": "event_time_unix_micros", "amount": "value"}


def read_presage_log(
    path: Path, *, skipped: SkippedRows, progress: ReadProgress | None = None, stem: str = ""
) -> Iterator[Event]:
    """Read JSON lines; see ``read_events``.

    The names of types and devices may have the prefix of the contract (``EVENT_TYPE_VIEW_ITEM``). Unknown keys are ignored, as
    unknown columns are by other readers, but counted: most keys are optional, so a misspelt one would go unnoticed. An event
    without an id gets ``stem``, by default the file name, and the line number as its id: replaying a file twice counts once.
    """
    decoder = msgspec.json.Decoder(_JsonEvent)
    unknown = UnknownKeys(skipped, known=_KEYS, synonyms=_SYNONYMS)
    stem = stem or file_stem(path)
    reasons = LimitedReasons()
    lost_values = _LostValues(skipped, reasons)
    try:
        with open_binary(path) as file:
            for number, line in enumerate(file, 1):
                if progress and number % _PROGRESS_INTERVAL_LINES == 0:
                    progress.update_from(file)
                if line.isspace():
                    continue
                try:
                    try:
                        read = decoder.decode(line)
                    except msgspec.ValidationError:
                        # Only such a line is decoded in this slower way.
                        read = _without_unknown_keys(line, number, unknown)
                    device = _device(read.device)
                    event = _to_event(
                        read,
                        device or Device.UNSPECIFIED,
                        default_id=f"{stem}:{number}",
                        lost=partial(lost_values.add, number),
                    )
                except (msgspec.DecodeError, ValueError) as error:
                    start = _start(line)
                    reason = reasons.of("unreadable line", printable(str(error)))
                    skipped.add(reason, where=f"line {number}", what=f"{error}: {start}")
                else:
                    if device is None:
                        what = f"expected the name of a device such as MOBILE, got {read.device!r}"
                        quoted = repr(printable(read.device, most=60))
                        lost_values.add(number, "unknown device in 'device'", quoted, what)
                    yield event
            if progress:
                progress.update_from(file)
    except UNREADABLE as error:
        raise LogFormatError(path, f"cannot be unpacked ({error})", advice=DOWNLOAD_AGAIN) from error


def write_presage_log(path: Path, events: Iterable[Event]) -> int:
    """Write events as JSON lines, compressed if the name ends with ``.gz``.

    Reading them again gives the same events, as long as amounts stay below 2e9 units of money; larger ones may differ in their last
    millionths. The file depends on the events only.

    Returns:
        The number of events written.
    """
    encoder = msgspec.json.Encoder()
    written = 0
    with path.open("wb") as raw:
        # No time of compression in the file, so that the same events give the same bytes.
        file = gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) if path.suffix == ".gz" else raw
        with file:
            for event in events:
                file.write(encoder.encode(_to_json(event)) + b"\n")
                written += 1
    return written


def _without_unknown_keys(line: bytes, number: int, unknown: UnknownKeys) -> _JsonEvent:
    """Decode a line without its unknown keys, and count those; raises ValidationError for any other fault."""
    found = msgspec.json.decode(line)
    if isinstance(found, dict):
        keys: dict[str, None] = {}
        if isinstance(items := found.get("items"), list):
            found["items"] = [_known_keys(item, _ITEM_KEYS, keys, "items.") for item in items]
        found = _known_keys(found, _EVENT_KEYS, keys)
        for key in keys:
            unknown.add(key, where=f"line {number}", line=_start(line))
    return msgspec.convert(found, _JsonEvent)


def _known_keys(found: Any, known: Sequence[str], unknown: dict[str, None], prefix: str = "") -> Any:
    """Return the known keys of an object; collects the others."""
    if not isinstance(found, dict):
        return found
    unknown.update((prefix + key, None) for key in found if key not in known)
    return {key: value for key, value in found.items() if key in known}


def _start(line: bytes) -> str:
    return line[:_MAX_SHOWN_CHARACTERS].decode(errors="replace").rstrip()


def _to_event(line: _JsonEvent, device: Device, *, default_id: str, lost: Lost) -> Event:
    return Event(
        event_id=line.event_id or default_id,
        type=_event_type(line.type),
        user_id=line.user_id,
        event_time_unix_micros=line.event_time_unix_micros,
        session_id=line.session_id,
        items=tuple(map(_to_item, line.items)),
        country=line.country,
        device=device,
        order_id=line.order_id,
        value_micros=None if line.value is None else money_micros(line.value),
        currency=line.currency,
        numbers=valid_numbers(line.numbers, lost) if line.numbers else {},
        labels=valid_labels(line.labels, lost) if line.labels else {},
    )


def _to_item(item: _JsonItem) -> Item:
    is_shown = item.position or item.rank_id or item.propensity
    shown = Shown(item.position, item.rank_id, item.propensity) if is_shown else None
    return Item(item.item_id, item.category, item.brand, money_micros(item.price), item.quantity, shown)


def _event_type(name: str) -> EventType:
    event_type = EventType.__members__.get(name.removeprefix("EVENT_TYPE_"), EventType.UNSPECIFIED)
    if event_type is EventType.UNSPECIFIED:
        raise ValueError(f"expected the name of an event type such as VIEW_ITEM, got {name!r}")
    return event_type


def _device(name: str) -> Device | None:
    return Device.__members__.get(name.removeprefix("DEVICE_")) if name else Device.UNSPECIFIED


def _to_json(event: Event) -> _JsonEvent:
    return _JsonEvent(
        event_id=event.event_id,
        type=event.type.name,
        user_id=event.user_id,
        session_id=event.session_id,
        event_time_unix_micros=event.event_time_unix_micros,
        items=tuple(map(_item_to_json, event.items)),
        country=event.country,
        device=event.device.name if event.device else "",
        order_id=event.order_id,
        value=None if event.value_micros is None else event.value_micros / MICROS,
        currency=event.currency,
        numbers=event.numbers,
        labels=event.labels,
    )


def _item_to_json(item: Item) -> _JsonItem:
    shown = item.shown or _NOT_SHOWN
    price = item.price_micros / MICROS
    return _JsonItem(
        item.item_id, item.category, item.brand, price, item.quantity, shown.position, shown.rank_id, shown.propensity
    )
