"""Rows of a catalogue's file as values: what ``presage items load`` sends and ``presage train --items`` replays."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

__all__ = ["FIELDS", "TAG_SEPARATOR", "match_columns", "parse_columns", "row_values"]

FIELDS = ("item_id", "price", "category", "brand", "tags", "stock", "blocked", "first_seen")
"""What a file can say of an item; ``item_id`` it must."""
TAG_SEPARATOR = "|"
"""Between the tags of a CSV's cell."""

_DECIMAL_COMMA = re.compile(r"-?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+),[0-9]{1,2}")
"""What nobody writes who separates thousands by commas: ``9,90`` and ``1.234,5``, but not ``1,234``."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRUE, _FALSE = frozenset({"true", "1", "yes", "t", "y"}), frozenset({"false", "0", "no", "f", "n"})


def row_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Read a row's cells; empty ones say nothing and are left out.

    Args:
        values: By field: text, or what Parquet has.

    Returns:
        Values by the fields of the contract's CatalogueItem, which differ in ``first_seen_unix_micros``.

    Raises:
        ValueError: A value is not of its field's kind; the message names the field.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        # NaN is how data frames write "missing".
        if value is None or (isinstance(value, float) and value != value) or (isinstance(value, str) and not value):  # noqa: PLR0124
            continue
        field, read = _READERS[name]
        try:
            found[field] = read(value)
        except (ValueError, TypeError, OverflowError) as error:
            raise ValueError(f"{name}: {error}") from error
    return found


def parse_columns(text: str) -> dict[str, str]:
    """Read which columns are not named like their field, as in ``item_id=sku,price=unit_price``.

    Raises:
        ValueError: It is written in another way.
    """
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, column = part.partition("=")
        if not (equals and name and column):
            raise ValueError(f"--columns: expected FIELD=COLUMN, got {part!r}")
        found[name.strip()] = column.strip()
    return found


def match_columns(file: str, header: Sequence[str], columns: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Find the column of each field.

    Args:
        file: The file's name, for messages.
        header: Its columns.
        columns: Those that are not named like their field.

    Returns:
        The columns by field, for the fields that the file has; and those that no field takes.

    Raises:
        ValueError: A field is unknown, or a column is missing.
    """
    unknown = sorted(set(columns) - set(FIELDS))
    if unknown:
        raise ValueError(f"--columns: expected fields among {', '.join(FIELDS)}, got {', '.join(unknown)}")
    missing = sorted(set(columns.values()) - set(header))
    if missing:
        raise ValueError(
            f"--columns: {file} has no column {', '.join(map(repr, missing))}; it has {', '.join(map(repr, header))}"
        )
    found = {name: columns.get(name, name) for name in FIELDS if columns.get(name, name) in header}
    if "item_id" not in found:
        raise ValueError(
            f"{file}: expected a column 'item_id' among {', '.join(map(repr, header))}; "
            "name the one that holds the ids: --columns item_id=NAME"
        )
    return found, [column for column in header if column not in found.values()]


def _text(value: Any) -> str:
    if isinstance(value, str):
        value.encode()  # fails for bytes that were no UTF-8
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"expected text or a whole number, got {value!r}")


def _price(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError(f"expected a number, got {value!r}")
    if isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value.strip()):
        value = value.replace(".", "").replace(",", ".")
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"expected a number, got {value!r}") from None


def _whole(value: Any) -> int:
    number = _price(value)
    if number != int(number):
        raise ValueError(f"expected a whole number, got {value!r}")
    return int(value) if isinstance(value, int) else int(number)


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(f"expected true or false, got {value!r}")
    return word in _TRUE


def _tags(value: Any) -> list[str]:
    parts = value.split(TAG_SEPARATOR) if isinstance(value, str) else value
    return [_text(part.strip() if isinstance(part, str) else part) for part in parts if part]


def _moment(value: Any) -> int:
    """Read a date, a date with a time (in UTC unless it says otherwise), or microseconds since 1970."""
    if isinstance(value, str):
        if value.strip().isdigit():
            return int(value)
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(f"expected a date as in 2026-01-31, or microseconds since 1970, got {value!r}") from None
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day, tzinfo=UTC)
    else:
        return _whole(value)
    return (moment - _EPOCH) // timedelta(microseconds=1)


_READERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "item_id": ("item_id", _text),
    "price": ("price", _price),
    "category": ("category", _text),
    "brand": ("brand", _text),
    "tags": ("tags", _tags),
    "stock": ("stock", _whole),
    "blocked": ("blocked", _flag),
    "first_seen": ("first_seen_unix_micros", _moment),
}
"""By field of a file: the contract's field, and what reads its values."""
