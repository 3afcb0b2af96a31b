"""A catalogue's file as changes of the catalogue: the file that ``presage items load`` sends to servers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from presage_featurizer import MAX_UNIX_MICROS, money_micros
from presage_featurizer.events import MAX_PRICE
from presage_featurizer.ranking.catalogue_rows import FIELDS, match_columns, parse_columns, row_values
from presage_featurizer.ranking.items_counter import CatalogueChange
from presage_training.errors import DatasetError
from presage_training.readers.files.layout import FileLayout
from presage_training.readers.files.tables import FileKind, column_names, file_kind, read_batches
from presage_training.readers.skipped_rows import SkippedRows

__all__ = ["read_catalogue"]

_OF_TODAY = ("stock", "blocked")
"""Fields that say nothing of the past, for which a log is replayed."""


def read_catalogue(path: Path, columns: str, *, skipped: SkippedRows) -> Iterator[CatalogueChange]:
    """Read what a file says of items but for their stock and whether they are blocked, which hold for today only.

    Args:
        path: One row for each item; of the kinds of ``read_batches``.
        columns: The columns that are not named like their field, as in ``item_id=sku,price=unit_price``.
        skipped: Counts rows that a server would not store.

    Raises:
        DatasetError: It has no column of ids, or not one that ``columns`` names.
        LogFormatError: It is of another kind, or damaged as a whole.
        OSError: It cannot be opened.
    """
    try:
        named = parse_columns(columns)
        layout = _layout(path, named)
        found, _ = match_columns(str(path), column_names(path, layout), named)
    except ValueError as error:
        raise DatasetError(str(error)) from error
    used = {name: column for name, column in found.items() if name not in _OF_TODAY}
    for numbers, cells, _ in read_batches(path, list(used.values()), skipped=skipped, layout=layout):
        for number, *row in zip(numbers, *cells, strict=True):
            try:
                yield _change(dict(zip(used, row, strict=True)))
            except ValueError as error:
                reason, _, got = str(error).partition(", got ")
                skipped.add(reason, where=f"row {number}", what=got)


def _layout(path: Path, columns: Mapping[str, str]) -> FileLayout:
    """Guess how text is laid out: its encoding, and by the fields' columns what separates cells."""
    layout = FileLayout()
    if file_kind(path) is not FileKind.TEXT:
        return layout
    from presage_training.readers.files.csv_tables import find_separator  # noqa: PLC0415 - only this kind needs Arrow

    wanted = [columns.get(name, name) for name in FIELDS]
    return FileLayout(separator=find_separator(path, layout, wanted))


def _change(cells: Mapping[str, Any]) -> CatalogueChange:
    values = row_values(cells)
    if not values.get("item_id"):
        raise ValueError("item_id: expected 1 to 256 bytes, got none")
    price = values.pop("price", None)
    if price is not None and not (isfinite(price) and 0.0 <= price <= MAX_PRICE):
        raise ValueError(f"price: expected 0 to {MAX_PRICE:g}, got {price:g}")
    first_seen = values.get("first_seen_unix_micros", 0)
    if not 0 <= first_seen <= MAX_UNIX_MICROS:
        raise ValueError(f"first_seen: expected microseconds since 1970 up to {MAX_UNIX_MICROS}, got {first_seen}")
    tags = values.pop("tags", None)
    return CatalogueChange(
        **values,
        price_micros=None if price is None else money_micros(price),
        tags=tuple(tags) if tags else None,
    )
