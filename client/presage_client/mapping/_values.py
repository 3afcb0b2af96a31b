"""Values of decoded JSON as the fields of events have them; whatever cannot be read as one is as if it were missing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["country_of", "label_of", "number_of", "object_of", "objects_in", "text_of", "whole_number_of"]

_MAX_LABEL_BYTES = 128
_UNSET = {"", "(not set)", "(none)", "null", "undefined"}
"""What exports and tags write for a value that is missing."""
_COUNTRY = re.compile(r"[A-Z]{2}")


def text_of(*values: Any) -> str:
    """Return the first value that is a text or a number, as text; empty if none is."""
    for value in values:
        written = str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
        if written not in _UNSET:
            return written
    return ""


def number_of(*values: Any) -> float | None:
    """Return the first value that is a finite number of at least 0, or a text of one; None if none is."""
    for value in values:
        try:
            number = float(text_of(value))
        except ValueError:
            continue
        if math.isfinite(number) and number >= 0:
            return number
    return None


def whole_number_of(*values: Any) -> int:
    """Return the first value that is a number, without its fraction; 0 if none is."""
    number = number_of(*values)
    return 0 if number is None else int(number)


def object_of(value: Any) -> Mapping[str, Any]:
    """Return a JSON object; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def objects_in(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a JSON array; nothing for anything else."""
    for element in value if isinstance(value, list | tuple) else ():
        if isinstance(element, Mapping):
            yield element


def country_of(*values: Any) -> str:
    """Return the first value that is a code of two capital letters; empty if none is: names are not looked up."""
    return next((text for text in map(text_of, values) if _COUNTRY.fullmatch(text)), "")


def label_of(value: Any) -> str:
    """Return a text as a label, which has at most 128 bytes."""
    return text_of(value).encode()[:_MAX_LABEL_BYTES].decode(errors="ignore")
