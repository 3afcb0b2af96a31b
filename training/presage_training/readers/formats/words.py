"""Words and numbers of a mapped log: event types, countries, devices, currencies and amounts.

A cell of an optional field that cannot be read costs the field, not the event. An amount that is a number but out of range, such as
a negative price, costs the event: it may mean another thing than the event says.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from presage_featurizer.events import (
    MAX_LABEL_BYTES,
    MAX_NUMBER,
    MAX_POSITION,
    MAX_RANK_ID_BYTES,
    MAX_VALUE,
    Device,
    EventType,
    money_micros,
)
from presage_training.readers.files.cells import id_text, price_micros, quantity, text
from presage_training.readers.files.columns import SkipRowError, SkipValueError
from presage_training.readers.files.numbers import NotANumberError, read_number
from presage_training.readers.formats.mapping import COUNTRY, CURRENCY, LogMapping

__all__ = [
    "country_code",
    "currency_code",
    "device_of",
    "event_type_of",
    "optional_label",
    "optional_number",
    "optional_position",
    "optional_price",
    "optional_propensity",
    "optional_rank_id",
    "optional_units",
    "optional_value",
]

_MAX_SHOWN_NAMES = 8
_PRESAGE_EVENT_TYPES: dict[str, EventType | None] = {member.name: member for member in EventType if member}


def event_type_of(cell: Any, mapping: LogMapping) -> EventType:
    """Read an event type; words that differ from those of the mapping in their case only are the same."""
    word = id_text(cell)
    known = mapping.event_types or _PRESAGE_EVENT_TYPES
    if word not in known:
        word = next((other for other in known if other.casefold() == word.casefold()), word)
    if word not in known:
        shown = [*islice(known, _MAX_SHOWN_NAMES), *(["…"] if len(known) > _MAX_SHOWN_NAMES else [])]
        what = f"expected one of {', '.join(shown)}, got {word!r}"
        raise SkipRowError("unknown event type", what, value=word)
    event_type = known[word]
    if event_type is None:
        what = f"{word!r} in {mapping.column_text('event_type')!r}"
        raise SkipRowError("event type that the mapping ignores", what, value=word)
    return event_type


def country_code(cell: Any, mapping: LogMapping) -> str:
    word = text(cell).strip()
    code = mapping.countries.get(word, word.upper())
    if code and not COUNTRY.fullmatch(code):
        what = f"expected a code such as GB, or a word that [countries] explains, got {word!r}"
        raise SkipValueError("unknown country", what, value=word, default="")
    return code


def device_of(cell: Any, mapping: LogMapping) -> Device:
    word = text(cell).strip()
    device = mapping.devices.get(word, Device.__members__.get(word.upper()))
    if device is None and word:
        what = f"expected MOBILE, for example, or a word that [devices] explains, got {word!r}"
        raise SkipValueError("unknown device", what, value=word, default=Device.UNSPECIFIED)
    return device or Device.UNSPECIFIED


def currency_code(cell: Any) -> str:
    word = text(cell).strip()
    if word and not CURRENCY.fullmatch(word.upper()):
        what = f"expected a currency's code such as EUR, got {word!r}"
        raise SkipValueError("unknown currency", what, value=word, default="")
    return word.upper()


def optional_price(cell: Any, decimal: str) -> int:
    if not text(cell).strip():
        return 0
    try:
        return price_micros(cell, decimal=decimal)
    except NotANumberError as error:
        raise SkipValueError("unreadable price", str(error), value=cell, default=0) from None


def optional_units(cell: Any, decimal: str) -> int:
    if not text(cell).strip():
        return 1
    try:
        number = read_number(cell, decimal=decimal)
    except NotANumberError as error:
        raise SkipValueError("unreadable quantity", str(error), value=cell, default=1) from None
    if number > 0 and not number.is_integer():
        what = f"expected a whole quantity, got {cell!r}"
        raise SkipValueError("unreadable quantity", what, value=cell, default=1)
    units = quantity(number)
    if units < 1:
        raise ValueError(f"expected a quantity of at least 1, got {cell!r}")
    return units


def optional_value(cell: Any, decimal: str) -> int | None:
    if not text(cell).strip():
        return None
    try:
        value = read_number(cell, decimal=decimal)
    except NotANumberError as error:
        raise SkipValueError("unreadable value", str(error), value=cell, default=None) from None
    if not 0.0 <= value <= MAX_VALUE:
        raise ValueError(f"expected a value from 0 to {MAX_VALUE:g}, got {cell!r}")
    return money_micros(value)


def optional_position(cell: Any, decimal: str) -> int:
    """Read an item's place in a list; 0 if missing."""
    place = _bounded(cell, decimal, "position", MAX_POSITION)
    if not place.is_integer():
        what = f"expected a whole number, got {cell!r}"
        raise SkipValueError("unreadable position", what, value=cell, default=0)
    return int(place)


def optional_propensity(cell: Any, decimal: str) -> float:
    """Read the probability with which an item was shown; 0 if missing."""
    return _bounded(cell, decimal, "propensity", 1)


def _bounded(cell: Any, decimal: str, name: str, most: int) -> float:
    if not text(cell).strip():
        return 0.0
    try:
        number = read_number(cell, decimal=decimal)
    except NotANumberError as error:
        raise SkipValueError(f"unreadable {name}", str(error), value=cell, default=0) from None
    if not 0.0 <= number <= most:
        what = f"expected a number from 0 to {most:,}, got {cell!r}"
        raise SkipValueError(f"{name} out of range", what, value=cell, default=0)
    return number


def optional_rank_id(cell: Any) -> str:
    """Read the id of a ranking; empty if missing."""
    rank_id = id_text(cell)
    if (size := len(rank_id.encode())) > MAX_RANK_ID_BYTES:
        what = f"expected at most {MAX_RANK_ID_BYTES} bytes, got {size}: {rank_id!r}"
        raise SkipValueError("rank_id that is too long", what, value=rank_id, default="")
    return rank_id


def optional_number(cell: Any, decimal: str) -> float | None:
    """Read one of the shop's own numbers; None if missing."""
    if not text(cell).strip():
        return None
    try:
        number = read_number(cell, decimal=decimal)
    except NotANumberError as error:
        raise SkipValueError("unreadable number", str(error), value=cell, default=None) from None
    if not -MAX_NUMBER <= number <= MAX_NUMBER:
        what = f"expected a number from {-MAX_NUMBER:g} to {MAX_NUMBER:g}, got {cell!r}"
        raise SkipValueError("number out of range", what, value=cell, default=None)
    return number


def optional_label(cell: Any) -> str | None:
    """Read one of the shop's own labels; None if missing."""
    label = id_text(cell)
    if (size := len(label.encode())) > MAX_LABEL_BYTES:
        what = f"expected at most {MAX_LABEL_BYTES} bytes, got {size}: {label!r}"
        raise SkipValueError("label that is too long", what, value=label, default=None)
    return label or None
