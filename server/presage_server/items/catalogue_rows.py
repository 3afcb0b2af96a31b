"""Rows of a catalogue's file as items of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer.ranking.catalogue_rows import row_values

__all__ = ["item_of"]


def item_of(values: Mapping[str, Any]) -> pb.CatalogueItem:
    """Make an item of a row's values; empty cells say nothing.

    Args:
        values: By field: text, or what Parquet has.

    Raises:
        ValueError: A value is not of its field's kind; the message names the field.
    """
    found = row_values(values)
    try:
        return pb.CatalogueItem(**found)
    except (ValueError, TypeError) as error:
        raise ValueError(f"cannot be sent: {error}") from error
