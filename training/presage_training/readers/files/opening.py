"""Opens files for reading, decompressed and as UTF-8."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

from presage_training.errors import LogFormatError
from presage_training.readers.files.zip_files import ZIP, open_in_zip, split_zip_path, zip_member

__all__ = [
    "COMPRESSIONS",
    "ENCODINGS",
    "UNREADABLE",
    "guess_encoding",
    "is_compressed",
    "is_encoding",
    "open_binary",
    "open_utf8",
    "read_beginning",
    "uncompressed_name",
]

COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst", ".zip")
"""The suffixes of compressed files."""

ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "cp1252", "latin-1")
"""The encodings that ``guess_encoding`` returns; mappings may name any that Python knows."""

UNREADABLE = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
"""The errors of reading a damaged compressed file; a few raise OSError instead."""

_SNIFFED_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 16
_MAX_NUL_SHARE = 0.2


class _Decompressed(io.BufferedReader):
    """The content of a compressed file; closing it closes the file."""

    def __init__(self, content: io.RawIOBase, source: BinaryIO) -> None:
        super().__init__(content, _CHUNK_BYTES)
        self.fileobj = source
        """The compressed file, whose position is the progress."""

    def close(self) -> None:
        try:
            super().close()
        finally:
            self.fileobj.close()


class _Utf8(io.RawIOBase):
    """A file in another encoding, as UTF-8; bytes that are not valid become U+FFFD."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        self._rest = b""
        self._is_first = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the stubs have a private type
        while not self._rest:
            chunk = self._file.read(_CHUNK_BYTES)
            text = self._decoder.decode(chunk, final=not chunk)
            if self._is_first and text:
                text, self._is_first = text.removeprefix("\ufeff"), False
            self._rest = text.encode("utf-8", errors="replace")
            if not chunk:
                break
        given, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(given)] = given
        return len(given)


def is_compressed(path: Path) -> bool:
    """Return whether a file is compressed, or is in a zip file."""
    return path.suffix.lower() in COMPRESSIONS or bool(split_zip_path(path)[1])


def uncompressed_name(path: Path) -> str:
    """Return the name of a file without the suffix of its compression; of a ``.zip``, the name of the file in it.

    Raises:
        OSError: if a ``.zip`` cannot be opened.
        LogFormatError: if it does not hold one file.
    """
    name = zip_member(path).rpartition("/")[2] if path.suffix.lower() == ZIP else path.name
    return Path(name).stem if Path(name).suffix.lower() in COMPRESSIONS else name


def open_binary(path: Path) -> BinaryIO:
    """Open a file for reading, decompressed if its name ends with one of COMPRESSIONS; it may be in a zip file.

    Raises:
        OSError: if it cannot be opened.
        LogFormatError: if it is a ``.zip`` that does not hold one file, or is not in the zip file that the path names.
    """
    outer, inner = split_zip_path(path)
    if not is_compressed(path):
        return path.open("rb")
    source = outer.open("rb")
    try:
        content: Any = source
        suffix = path.suffix.lower()
        if inner or suffix == ZIP:
            content = open_in_zip(path, source)
            suffix = Path(inner or zip_member(path)).suffix.lower()
        content = _content(content, suffix) if suffix in COMPRESSIONS else content
        return cast("BinaryIO", _Decompressed(content, source))
    except BaseException:
        source.close()
        raise


def open_utf8(path: Path, encoding: str) -> BinaryIO:
    """Open a text file for reading as UTF-8, decompressed.

    Args:
        path: The file.
        encoding: The encoding of the file; guessed from its beginning if empty. A byte order mark is left as it is in UTF-8, and
            removed from other encodings.
    """
    file = open_binary(path)
    try:
        named = codecs.lookup(encoding or guess_encoding(read_beginning(path))).name
    except BaseException:
        file.close()
        raise
    if named in {"utf-8", "utf-8-sig", "ascii"}:
        return file
    source = getattr(file, "fileobj", None) or file
    return cast("BinaryIO", _Decompressed(_Utf8(file, named), source))


def guess_encoding(beginning: bytes) -> str:
    """Guess the encoding of a text from its first bytes; returns one of ENCODINGS, or utf-8-sig or utf-16."""
    if beginning.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    half = max(len(beginning) // 2, 1)
    for place, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if beginning[place::2].count(0) > _MAX_NUL_SHARE * half:
            return encoding
    try:
        # Not final: the last character may be cut.
        codecs.getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        return "latin-1" if any(byte in beginning for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)) else "cp1252"
    return "utf-8"


def is_encoding(name: str) -> bool:
    """Return whether Python knows an encoding of text by this name."""
    try:
        "a".encode(name)
    except (LookupError, UnicodeError):
        return False
    return True


def read_beginning(path: Path) -> bytes:
    """Return the first bytes of a file, decompressed: enough to guess its encoding.

    Raises:
        OSError: if it cannot be opened.
        LogFormatError: if it cannot be decompressed.
    """
    try:
        with open_binary(path) as file:
            return file.read(_SNIFFED_BYTES)
    except UNREADABLE as error:
        raise LogFormatError(path, f"cannot be unpacked ({error})", advice="Download or write it again.") from error


def _content(source: Any, suffix: str) -> Any:
    if suffix == ".gz":
        return gzip.GzipFile(fileobj=source)
    if suffix == ".bz2":
        return bz2.BZ2File(source)
    if suffix == ".xz":
        return lzma.LZMAFile(source)
    import pyarrow as pa  # noqa: PLC0415 - only such files need it

    return pa.CompressedInputStream(source, "zstd")
