"""Streams the columns of a Parquet file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet, types

from presage_training.errors import LogFormatError
from presage_training.readers.files.tables import DOWNLOAD_AGAIN, Batch, require_columns
from presage_training.readers.progress import ReadProgress

__all__ = ["open_parquet", "parquet_columns", "read_parquet"]

_BATCH_ROWS = 16_384


@contextmanager
def open_parquet(path: Path) -> Iterator[parquet.ParquetFile]:
    """Open a file; raises OSError if it cannot be read, and ArrowException if it is not Parquet."""
    path.open("rb").close()  # its error is clearer than Arrow's
    # Not a file of Python's: Arrow's threads let go of the file some time after a read, for which they would need the interpreter,
    # and a process that is ending by then aborts.
    with pa.OSFile(os.fsencode(path)) as source, parquet.ParquetFile(source, pre_buffer=False) as file:
        yield file


def read_parquet(path: Path, columns: Sequence[str], *, progress: ReadProgress | None = None) -> Iterator[Batch]:
    """Read some columns; see ``read_batches``."""
    try:
        with open_parquet(path) as file:
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
                if progress:
                    progress.update(first - 1, file.metadata.num_rows)
    except pa.ArrowException as error:
        raise LogFormatError(path, f"not a readable Parquet file ({error})", advice=DOWNLOAD_AGAIN) from error


def parquet_columns(path: Path) -> list[str]:
    """Return the names of the columns that hold text, numbers or times."""
    try:
        with open_parquet(path) as file:
            return [field.name for field in file.schema_arrow if _is_plain(field.type)]
    except pa.ArrowException as error:
        raise LogFormatError(path, f"not a readable Parquet file ({error})", advice=DOWNLOAD_AGAIN) from error


def _cells(array: pa.Array) -> list[Any]:
    if types.is_timestamp(array.type):
        array = array.cast(pa.timestamp("us", array.type.tz), safe=False)
        if array.type.tz is not None:
            array = array.cast(pa.int64())
    if (types.is_integer(array.type) or types.is_floating(array.type)) and not array.null_count:
        return list(array.to_numpy(zero_copy_only=False).tolist())
    # Creating a Python object for a cell costs as much as everything else, and many cells of a batch are equal.
    distinct = array if types.is_dictionary(array.type) else array.dictionary_encode()
    values: list[Any] = [*distinct.dictionary.to_pylist(), None]
    places = distinct.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False).tolist()
    return list(map(values.__getitem__, places))


def _require_plain(path: Path, columns: Sequence[str], kinds: Sequence[pa.DataType]) -> None:
    for name, kind in zip(columns, kinds, strict=True):
        if not _is_plain(kind):
            problem = f"column {name!r} holds {kind}, expected text, numbers or times"
            raise LogFormatError(path, problem, advice="Name another column, or write this one as text.")


def _is_plain(kind: pa.DataType) -> bool:
    plain = kind.value_type if types.is_dictionary(kind) else kind
    return not (types.is_nested(plain) or types.is_binary(plain) or types.is_large_binary(plain))
