"""Files of named arrays, in the format of ``numpy.savez``, read from bytes that may hold anything."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["FLOATS", "FLOATS_AND_INTEGERS", "read_arrays"]

FLOATS: Final[frozenset[np.dtype[Any]]] = frozenset({np.dtype("<f4"), np.dtype("<f8")})
FLOATS_AND_INTEGERS: Final[frozenset[np.dtype[Any]]] = FLOATS | {np.dtype("<i8")}


def read_arrays(
    data: bytes,
    *,
    problem: str,
    has_names: Callable[[list[str]], bool],
    max_bytes: int,
    dtypes: frozenset[np.dtype[Any]] = FLOATS,
    may_be_compressed: bool = False,
) -> dict[str, NDArray[Any]]:
    """Read all arrays of a file, by name. Nothing is unpickled, and no more is allocated than ``max_bytes``.

    Args:
        data: The file.
        problem: What is wrong with bytes that are not such a file; errors begin with it.
        has_names: Whether such a file may have just the arrays of these names.
        max_bytes: The largest size of all arrays, unpacked.
        dtypes: Those that arrays may have.
        may_be_compressed: Whether arrays may be.

    Raises:
        ValueError: The bytes are not such a file.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_entries(entries, has_names, max_bytes, may_be_compressed=may_be_compressed)
            return {entry.filename.removesuffix(".npy"): _read_array(archive.read(entry), dtypes) for entry in entries}
    # A damaged archive raises whatever zipfile comes across: struct.error, BadZipFile, zlib.error, NotImplementedError and others;
    # a damaged header of an array raises tokenize.TokenError, RecursionError and others.
    except Exception as error:
        raise ValueError(f"{problem}: {error}") from error


def _check_entries(
    entries: list[zipfile.ZipInfo],
    has_names: Callable[[list[str]], bool],
    max_bytes: int,
    *,
    may_be_compressed: bool,
) -> None:
    if (unpacked := sum(entry.file_size for entry in entries)) > max_bytes:
        raise ValueError(f"expected at most {max_bytes} bytes unpacked, got {unpacked}")
    files = [entry.filename for entry in entries]
    if not all(file.endswith(".npy") for file in files) or not has_names([file.removesuffix(".npy") for file in files]):
        raise ValueError("it has other entries")
    if not may_be_compressed and any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError("an entry is compressed")


def _read_array(data: bytes, dtypes: frozenset[np.dtype[Any]]) -> NDArray[Any]:
    stream = io.BytesIO(data)
    if (version := np.lib.format.read_magic(stream)) != (1, 0):
        raise ValueError(f"expected version 1.0 of the array format, got {version}")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype not in dtypes or is_fortran:
        expected = " or ".join(sorted(known.name for known in dtypes))
        raise ValueError(f"expected little-endian {expected} in C order, got {dtype}")
    # A copy, because frombuffer's array is read-only; reshape raises where the size is wrong.
    return np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape).copy()
