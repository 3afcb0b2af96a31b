"""Streams the columns of a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet, types

from presage_training.errors import LogFormatError
from presage_training.readers.tables import DOWNLOAD_ANEW, Batch, require_columns

__all__ = ["read_parquet"]

_BATCH_ROWS = 16_384


def read_parquet(path: Path, columns: Sequence[str]) -> Iterator[Batch]:
    """Read some columns; see ``read_batches``."""
    try:
        with path.open("rb") as stream, parquet.ParquetFile(stream, pre_buffer=False) as file:
            require_columns(path, columns, found=file.schema_arrow.names)
            kinds = [file.schema_arrow.field(name).type for name in columns]
            _require_plain(path, columns, kinds)
            instants = frozenset(
                place for place, kind in enumerate(kinds) if types.is_timestamp(kind) and kind.tz is not None
            )
            first = 1
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns)):
                numbers = range(first, first + batch.num_rows)
                yield Batch(numbers, [_cells(batch[name]) for name in columns], instants)
                first += batch.num_rows
    except pa.ArrowException as error:
        raise LogFormatError(path, f"not a readable Parquet file ({error})", advice=DOWNLOAD_ANEW) from error


def _cells(array: pa.Array) -> list[Any]:
    if not types.is_timestamp(array.type):
        cells: list[Any] = array.to_pylist()
        return cells
    micros = array.cast(pa.timestamp("us", array.type.tz), safe=False)
    if array.type.tz is not None:
        return list(micros.cast(pa.int64()).to_pylist())
    # Making a datetime costs as much as all other cells of a row, and neighbours mostly share theirs.
    distinct = micros.dictionary_encode()
    moments: list[Any] = distinct.dictionary.to_pylist()
    return [None if index is None else moments[index] for index in distinct.indices.to_pylist()]


def _require_plain(path: Path, columns: Sequence[str], kinds: Sequence[pa.DataType]) -> None:
    for name, kind in zip(columns, kinds, strict=True):
        plain = kind.value_type if types.is_dictionary(kind) else kind
        if types.is_nested(plain) or types.is_binary(plain) or types.is_large_binary(plain):
            problem = f"column {name!r} holds {kind}, expected text, numbers or times"
            raise LogFormatError(path, problem, advice="Name another column, or write this one as text.")
