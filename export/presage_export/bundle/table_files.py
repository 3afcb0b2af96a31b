"""The tables of a ranking bundle: one ``.npy`` file for each array, memory-mapped.

Their values are indexes into each other, which are used unchecked whenever items are ranked; so they are checked once, on load. A
table that is replaced in place while it is mapped would change under the server, or end it: replace folders, as ``write_bundle``
does.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from presage_export.errors import BundleError

__all__ = ["TABLES_FOLDER", "check_tables", "file_name_of", "map_tables", "write_table"]

TABLES_FOLDER: Final = "tables"
_MAX_TABLE_BYTES: Final = 8 * 1024**3
_MAX_TABLES: Final = 64
_FILE_NAME = re.compile(rf"{TABLES_FOLDER}/([a-z][a-z0-9_]{{0,63}}(?:\.[a-z][a-z0-9_]{{0,63}})?)\.npy")
_DTYPES = frozenset(np.dtype(name) for name in ("<i4", "<u8", "<f4"))
_MAX_DIMENSIONS = 2
_MAX_NEIGHBOURS: Final = 256
"""Of one item: the server reads those of all of a visitor's items at once."""
_NONE = -1
"""In a table of neighbours: there are no more."""


def file_name_of(name: str) -> str:
    """Return the name of an array's file in the bundle; raises ValueError if the array must not be called so."""
    file_name = f"{TABLES_FOLDER}/{name}.npy"
    if not _FILE_NAME.fullmatch(file_name):
        raise ValueError(f"tables: expected names such as 'sessions.starts', got {name!r}")
    return file_name


def write_table(path: Path, array: NDArray[np.generic]) -> str:
    """Write an array as the bundle's format has it, and return its SHA-256; equal arrays give equal bytes."""
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    with path.open("wb") as file:
        np.lib.format.write_array(file, little, version=(1, 0), allow_pickle=False)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def map_tables(directory: Path, digests: Mapping[str, str]) -> Mapping[str, NDArray[np.generic]]:
    """Verify the tables of a bundle and map them into memory, read-only.

    Args:
        directory: The bundle's folder.
        digests: The SHA-256 of each file by its name in the bundle, as ``file_name_of`` returns it.

    Returns:
        The arrays by name.

    Raises:
        BundleError: A file is missing, altered, or no array of a type and size that a bundle may have.
    """
    if len(digests) > _MAX_TABLES:
        raise BundleError(directory, f"expected at most {_MAX_TABLES} tables, got {len(digests)}")
    arrays = {}
    for file_name, digest in sorted(digests.items()):
        match = _FILE_NAME.fullmatch(file_name)
        if match is None:
            raise BundleError(directory, f"files: {file_name[:100]!r} is no file that a ranking bundle has")
        arrays[match[1]] = _map_table(directory / file_name, digest)
    return MappingProxyType(arrays)


def _map_table(path: Path, digest: str) -> NDArray[np.generic]:
    try:
        # Opening a pipe would wait for a writer.
        if not stat.S_ISREG(path.stat().st_mode):
            raise BundleError(path, "cannot be read: expected a regular file")
        with path.open("rb") as file:
            if (size := path.stat().st_size) > _MAX_TABLE_BYTES:
                raise BundleError(path, f"expected at most {_MAX_TABLE_BYTES} bytes, got {size}")
            if (actual := hashlib.file_digest(file, "sha256").hexdigest()) != digest:
                raise BundleError(path, f"expected SHA-256 {digest} as in manifest.json, got {actual}: it was altered")
            file.seek(0)
            return _map_array(file, path, size)
    except FileNotFoundError as error:
        raise BundleError(path, "is missing") from error
    except OSError as error:
        raise BundleError(path, f"cannot be read: {error.strerror}") from error


def _map_array(file: BinaryIO, path: Path, size: int) -> NDArray[np.generic]:
    try:
        version = np.lib.format.read_magic(file)
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    # A damaged header raises tokenize.TokenError, RecursionError and others.
    except Exception as error:
        raise BundleError(path, f"is no array: {error}") from error
    if version != (1, 0):
        raise BundleError(path, f"expected version 1.0 of the array format, got {version}")
    if dtype not in _DTYPES or is_fortran or len(shape) > _MAX_DIMENSIONS or not shape:
        raise BundleError(
            path,
            f"expected little-endian int32, uint64 or float32 in C order with 1 or 2 dimensions, got {dtype} of {shape}",
        )
    start = file.tell()
    if min(shape) < 0 or start + math.prod(shape) * dtype.itemsize != size:
        raise BundleError(path, f"expected {dtype} of shape {list(shape)} in {size - start} bytes: it is truncated")
    if not math.prod(shape):
        return _read_only(np.zeros(shape, dtype))
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(mapped, dtype, math.prod(shape), start).reshape(shape)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array


def check_tables(arrays: Mapping[str, NDArray[Any]]) -> int:
    """Check that the tables fit each other, so that no index in them can be out of bounds.

    Known are ``digests``, one number for each item; neighbours as ``NAME.rows`` and ``NAME.weights``; ``sessions``; and one number
    for each item under any other name.

    Returns:
        How many items they have.

    Raises:
        ValueError: They do not; the message begins with the array's name.
    """
    digests = _take(arrays, "digests", np.uint64, (None,))
    items = len(digests)
    if len(np.unique(digests)) != items:
        raise ValueError("digests: expected each once")
    for name, array in arrays.items():
        table, _, part = name.partition(".")
        if table == "sessions" or name == "digests":
            continue
        if part == "rows":
            _take(arrays, name, np.int32, (items, None))
            if array.shape[1] > _MAX_NEIGHBOURS:
                raise ValueError(f"{name}: expected at most {_MAX_NEIGHBOURS} for each item, got {array.shape[1]}")
            _require_range(name, array, _NONE, items)
            weights = _take(arrays, f"{table}.weights", np.float32, array.shape)
            if not (np.isfinite(weights).all() and (weights >= 0.0).all()):
                raise ValueError(f"{table}.weights: expected finite numbers, none negative")
        elif part == "weights":
            _take(arrays, f"{table}.rows", np.int32, array.shape)
        elif part:
            raise ValueError(f"{name}: no table has such a part")
        elif not np.isfinite(_take(arrays, name, np.float32, (items,))).all():
            raise ValueError(f"{name}: expected finite numbers")
    _check_sessions(arrays, items)
    return items


def _check_sessions(arrays: Mapping[str, NDArray[Any]], items: int) -> None:
    if known := {name for name in arrays if name.startswith("sessions.")}:
        if extra := known - {f"sessions.{part}" for part in ("starts", "items", "item_starts", "of_items")}:
            raise ValueError(f"{min(extra)}: no table has such a part")
        starts = _take(arrays, "sessions.starts", np.int32, (None,))
        members = _take(arrays, "sessions.items", np.int32, (None,))
        item_starts = _take(arrays, "sessions.item_starts", np.int32, (items + 1,))
        of_items = _take(arrays, "sessions.of_items", np.int32, (None,))
        for name, bounds, whole in (("starts", starts, members), ("item_starts", item_starts, of_items)):
            if not len(bounds) or bounds[0] or bounds[-1] != len(whole) or (np.diff(bounds) < 0).any():
                raise ValueError(f"sessions.{name}: expected rising numbers from 0 to {len(whole)}")
        _require_range("sessions.items", members, 0, items)
        _require_range("sessions.of_items", of_items, 0, len(starts) - 1)
        is_first = np.zeros(len(of_items), bool)
        is_first[item_starts[:-1][item_starts[:-1] < len(of_items)]] = True
        if (~is_first[1:] & (of_items[1:] >= of_items[:-1])).any():
            raise ValueError("sessions.of_items: expected falling numbers for each item, each session once")


def _take(
    arrays: Mapping[str, NDArray[Any]], name: str, dtype: type[np.generic], shape: tuple[int | None, ...]
) -> NDArray[Any]:
    array = arrays.get(name)
    if array is None:
        raise ValueError(f"{name}: is missing")
    fits = array.ndim == len(shape) and all(
        want is None or want == got for want, got in zip(shape, array.shape, strict=True)
    )
    if array.dtype != dtype or not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(
            f"{name}: expected {np.dtype(dtype)} of shape [{wanted}], got {array.dtype} of {list(array.shape)}"
        )
    return array


def _require_range(name: str, array: NDArray[Any], lowest: int, end: int) -> None:
    if array.size and (int(array.min()) < lowest or int(array.max()) >= end):
        raise ValueError(f"{name}: expected {lowest} to {end - 1}, got {int(array.min())} to {int(array.max())}")
