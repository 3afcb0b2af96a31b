"""Reads the values of single cells, which are text in CSV files and typed in Parquet files.

Each function raises ValueError with what was expected and what was found.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from presage_featurizer.events import money_micros

__all__ = ["MAX_PRICE", "MAX_QUANTITY", "id_text", "price_micros", "quantity", "required_id", "unix_micros"]

MAX_PRICE = 1e9
"""The highest price of one unit that the service takes."""

MAX_QUANTITY = 1_000_000
"""The most units of one item that the service takes."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def id_text(cell: Any) -> str:
    """Read an id; empty if missing. Whole numbers lose the ``.0`` that pandas gives them in columns with gaps."""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else ""
    text = "" if cell is None else str(cell).strip()
    whole = text.removesuffix(".0")
    return whole if whole.isdecimal() else text


def required_id(cell: Any, name: str) -> str:
    """Read an id that must be there."""
    text = id_text(cell)
    if not text:
        raise ValueError(f"expected {name}, got an empty cell")
    return text


def price_micros(cell: Any) -> int:
    """Read a price into millionths; 0 if missing."""
    if cell is None or cell == "":
        return 0
    price = float(cell)
    if not 0.0 <= price <= MAX_PRICE:
        raise ValueError(f"expected a price from 0 to {MAX_PRICE:g}, got {cell}")
    return money_micros(price)


def quantity(cell: Any) -> int:
    """Read a number of units; negative where goods come back, never 0."""
    number = float(cell) if cell not in (None, "") else 0.0
    if not (number.is_integer() and 1 <= abs(number) <= MAX_QUANTITY):
        raise ValueError(f"expected a whole quantity other than 0, at most {MAX_QUANTITY}, got {cell!r}")
    return int(number)


def unix_micros(cell: Any, *, time_zone: tzinfo, text_formats: tuple[str, ...] = ()) -> int:
    """Read a time into microseconds since 1970-01-01 UTC.

    Args:
        cell: A datetime or text.
        time_zone: What a time without a zone of its own is in.
        text_formats: How the text may be written, besides ISO 8601; see ``datetime.strptime``.
    """
    moment = cell if isinstance(cell, datetime) else _parse_time(str(cell or ""), text_formats)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=time_zone)
    return (moment - _EPOCH) // _MICROSECOND


def _parse_time(text: str, text_formats: tuple[str, ...]) -> datetime:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        pass
    for text_format in text_formats:
        try:
            return datetime.strptime(text.strip(), text_format)  # noqa: DTZ007 - the caller knows the zone
        except ValueError:
            continue
    raise ValueError(f"expected a time, got {text!r}")
