"""Changes of arrays in the files of a bundle: their values, their headers, and the archives that they are in."""

from __future__ import annotations

import io
import struct
import zipfile
from random import Random

import numpy as np
from numpy.typing import NDArray

__all__ = ["change_array_in"]

_NUMBERS = (0.0, -1.0, 1e-6, 1e30, 1e300, float("nan"), float("inf"), float("-inf"))
_INTEGERS = (0, 1, -1, 2, 100, 2**31 - 1, -(2**31))
_DTYPES = ("<f4", "<f8", "<i8", ">f4", "<i4", "<u8", "|b1", "<U3", "<M8[s]", "<c8")
_HEADERS = (
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 9223372036854775807), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (3,), }",
    "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 2), }",
    "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (3,), }",
    "{'descr': '<f8', 'shape': (3,), }",
    "__import__('os').abort()",
    "(" * 3_000,
    "{'descr': '<f8', 'fortran_order': False, 'shape': " + "(" * 50 + "1," + "),)" * 50 + ", }",
)


def change_array_in(random: Random, files: dict[str, bytes]) -> str:
    """Change one array; the digests are left as they were."""
    name = random.choice([name for name in files if name.endswith((".npz", ".npy"))])
    if name.endswith(".npy"):
        files[name], place = _changed(random, files[name])
        return f"{name} {place}"
    with zipfile.ZipFile(io.BytesIO(files[name])) as archive:
        members = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    member = random.choice(list(members))
    compression, place = zipfile.ZIP_STORED, ""
    match random.randrange(12):
        case 0:
            del members[member]
            place = "left out"
        case 1:
            members["other.npy"] = members[member]
            place = "copied"
        case 2:
            compression, place = zipfile.ZIP_DEFLATED, "compressed"
        case 3:  # 64 MB and more in a hundredth of that
            members[member] += bytes(random.choice((1 << 20, 80 << 20)))
            compression, place = zipfile.ZIP_DEFLATED, "with zeros, compressed"
        case _:
            members[member], place = _changed(random, members[member])
    files[name] = _archive(members, compression)
    return f"{name} {member} {place}"


def _archive(members: dict[str, bytes], compression: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return buffer.getvalue()


def _changed(random: Random, data: bytes) -> tuple[bytes, str]:
    if random.random() < 0.25:
        header = random.choice(_HEADERS).encode()
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data[80:], f"header {header[:40]!r}"
    array = np.load(io.BytesIO(data))
    changed, place = _other(random, array)
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, changed, allow_pickle=False)
    return buffer.getvalue(), place


def _other(random: Random, array: NDArray[np.generic]) -> tuple[NDArray[np.generic], str]:
    match random.randrange(6):
        case 0:
            dtype = random.choice(_DTYPES)
            with np.errstate(all="ignore"):
                return array.view(np.uint8).reshape(-1)[:8].astype("<i8").astype(dtype), f"as {dtype}"
        case 1:
            shaped = random.choice(
                (array.reshape(-1), array[:1], array[:0], array[..., np.newaxis], array.T, array[1:])
            )
            return np.ascontiguousarray(shaped), f"of shape {shaped.shape}"
        case 2:
            return np.concatenate([array, array]), "twice"
        case 3:
            return np.ascontiguousarray(array[::-1]), "reversed"
    changed = array.copy()
    index = random.randrange(max(1, changed.size))
    if changed.size:
        if changed.dtype.kind == "f":
            with np.errstate(all="ignore"):
                changed.flat[index] = random.choice((*_NUMBERS, float(changed.flat[index]) * 1.001))
        else:
            changed.flat[index] = (
                random.choice(_INTEGERS) % (2**63) if changed.dtype.kind == "u" else random.choice(_INTEGERS)
            )
    return changed, f"[{index}]"
