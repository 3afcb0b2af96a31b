"""Values of single cells, which are text in CSV files and typed in Parquet files.

Each function raises ValueError with the expected and the actual value.
"""

from __future__ import annotations

from typing import Any

from presage_featurizer.events import MAX_PRICE, money_micros
from presage_featurizer.state import MAX_QUANTITY
from presage_training.readers.files.numbers import read_number

__all__ = ["id_text", "price_micros", "quantity", "required_id", "text"]


def text(cell: Any) -> str:
    """Read a name; empty if missing."""
    return "" if cell is None or cell != cell else str(cell)  # noqa: PLR0124 - only NaN, which is missing too, differs from itself


def id_text(cell: Any) -> str:
    """Read an id; empty if missing. Whole numbers lose the ``.0`` that pandas gives them in columns with gaps."""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else ""
    text = "" if cell is None else str(cell).strip()
    whole = text.removesuffix(".0")
    return whole if whole.isdecimal() else text


def required_id(cell: Any, name: str) -> str:
    """Read a required id."""
    text = id_text(cell)
    if not text:
        raise ValueError(f"expected {name}, got an empty cell")
    return text


def price_micros(cell: Any, *, decimal: str = ".") -> int:
    """Read a price in millionths; 0 if missing."""
    if cell is None or cell == "":
        return 0
    price = read_number(cell, decimal=decimal)
    if not 0.0 <= price <= MAX_PRICE:
        raise ValueError(f"expected a price from 0 to {MAX_PRICE:g}, got {cell}")
    return money_micros(price)


def quantity(cell: Any, *, decimal: str = ".") -> int:
    """Read a number of units; negative for returned goods, never 0."""
    number = 0.0 if cell is None or cell == "" else read_number(cell, decimal=decimal)
    if not (number.is_integer() and 1 <= abs(number) <= MAX_QUANTITY):
        raise ValueError(f"expected a whole quantity other than 0, at most {MAX_QUANTITY}, got {cell!r}")
    return int(number)
