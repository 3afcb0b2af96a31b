"""Numbers that are written as text: with a decimal point or comma, separated thousands, and signs of currencies."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

__all__ = ["NotANumberError", "read_number", "readable_numbers"]

_CURRENCY = r"(?:[A-Z]{3}|[A-Z]{0,2}[^\w\s+-]{1,2}|kr\.?|zł|Kč|Ft|lei)"
_AROUND = re.compile(rf"{_CURRENCY}?\s*(?P<number>[-+]?[\d.,'\u2019\s]*\d[.,]?)\s*{_CURRENCY}?")
_GROUPED = {
    ".": re.compile(r"[-+]?\d{1,3}(?:[,'\u2019\s]\d{3})+(?:\.\d*)?"),
    ",": re.compile(r"[-+]?(?:\d{1,3}(?:[.'\u2019\s]\d{3})+|\d+)(?:,\d*)?|[-+]?,\d+"),
}
_GROUPS = re.compile(r"['\u2019\s]")


class NotANumberError(ValueError):
    """A cell that holds no number."""


def read_number(cell: Any, *, decimal: str = ".") -> float:
    """Read a number, which may have spaces or the other sign between its thousands, and a currency before or after it.

    Args:
        cell: A number or text.
        decimal: The decimal point of text: a point or a comma.

    Raises:
        NotANumberError: The cell is not a number written in this way.
    """
    if not isinstance(cell, str):
        try:
            return float(cell)
        except (TypeError, ValueError, OverflowError):
            raise NotANumberError(f"expected a number, got {cell!r}") from None
    if decimal == "." or cell.isdecimal():
        try:
            return float(cell)
        except ValueError:
            pass
    if (around := _AROUND.fullmatch(cell.strip())) and (number := around["number"].strip()):
        if _GROUPED[decimal].fullmatch(number):
            other = "," if decimal == "." else "."
            return float(_GROUPS.sub("", number).replace(other, "").replace(decimal, "."))
        if decimal == ".":
            try:
                return float(number)
            except ValueError:
                pass
    written = "point" if decimal == "." else "comma"
    raise NotANumberError(f"expected a number with a decimal {written}, got {cell!r}")


def readable_numbers(cells: Iterable[Any], *, decimal: str) -> list[float]:
    """Read those of some cells that are numbers."""
    numbers = []
    for cell in cells:
        try:
            numbers.append(read_number(cell, decimal=decimal))
        except NotANumberError:
            continue
    return numbers
