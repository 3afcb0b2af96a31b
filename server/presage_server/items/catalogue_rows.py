"""Rows of a catalogue's file as items of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer.ranking.catalogue_rows import row_values

__all__ = ["NOT_TEXT", "is_text", "item_of"]

NOT_TEXT = "is not text in UTF-8 or the encoding given; name the file's with --encoding, such as cp1252"

_WHOLE = ("stock", "first_seen_unix_micros")
_WHOLE_END = 1 << 63


def item_of(values: Mapping[str, Any]) -> pb.CatalogueItem:
    """Make an item of a row's values; empty cells say nothing.

    Args:
        values: By field: text, or what Parquet has.

    Raises:
        ValueError: A value is not of its field's kind; the message names the field.
    """
    if not all(is_text(value) for value in values.values() if isinstance(value, str)):
        raise ValueError(NOT_TEXT)
    found = row_values(values)
    for name in _WHOLE:
        if not -_WHOLE_END <= found.get(name, 0) < _WHOLE_END:
            field = name.removesuffix("_unix_micros")
            raise ValueError(f"{field}: expected a whole number below {_WHOLE_END}, got {found[name]}")
    try:
        return pb.CatalogueItem(**found)
    except (ValueError, TypeError) as error:
        raise ValueError(f"cannot be sent: {error}") from error


def is_text(value: str) -> bool:
    """Whether all bytes of a file's text could be decoded; those that could not are lone surrogates."""
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
