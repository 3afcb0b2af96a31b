"""Streams the objects of a JSON document: of an array, of the one array in an object, or one after the other."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

__all__ = ["BEGINNING_BYTES", "JsonDocumentError", "document_start", "read_values"]

BEGINNING_BYTES = 1 << 16
"""How much of a file ``document_start`` needs."""

_CHUNK_BYTES = 1 << 20
_PATIENCE, _MAX_CHARACTERS = 1 << 18, 1 << 26
"""How far to read on after a fault that stays where it is, and in one object at most."""
_BETWEEN = re.compile(r"[\s,]*")
_WRAPPERS = "data|entries|events|hits|logs?|orders|records|results|rows|sessions|transactions"
_SCALAR = r'"(?:[^"\\]|\\.)*"|[-+.\w]+'
_WRAPPED = re.compile(
    rf'\s*\{{\s*(?:"(?:[^"\\]|\\.)*"\s*:\s*(?:{_SCALAR})\s*,\s*)*"(?:{_WRAPPERS})"\s*:\s*\[(?=\s*\{{)'.encode(),
    re.IGNORECASE,
)


class JsonDocumentError(ValueError):
    """A document that cannot be read further."""


def document_start(beginning: bytes) -> int | None:
    """Return where the objects of a document begin; None if the file has one object a line.

    Args:
        beginning: The first BEGINNING_BYTES of the file, in UTF-8.
    """
    content = beginning.removeprefix(codecs.BOM_UTF8)
    skipped = len(beginning) - len(content)
    bare = content.lstrip()
    if bare.startswith(b"["):
        return skipped + content.index(b"[") + 1
    wrapped = _WRAPPED.match(content)
    first, _, second = bare.partition(b"\n")
    if wrapped and not (_is_object(first) and second.strip()):
        return skipped + wrapped.end()
    # Objects over several lines: the first of them ends where a line of JSON does not.
    if bare.startswith(b"{") and second.strip() and first.rstrip().endswith((b"{", b"[", b",")):
        return skipped + content.index(b"{")
    return None


def read_values(file: BinaryIO, start: int) -> Iterator[Any]:
    """Read the values of a document, in memory that does not grow with its length.

    Args:
        file: The file, in UTF-8.
        start: Where the first value is; see ``document_start``.

    Yields:
        Each value; a ValueError in place of one whose text is not valid Unicode.

    Raises:
        JsonDocumentError: after the values before it, if a value cannot be read, or the array does not end.
    """
    is_array = file.read(start).rstrip().endswith(b"[")
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    decoder = json.JSONDecoder(parse_constant=lambda _: None)
    text, place, number, fault, known = "", 0, 0, -1, 0
    while True:
        between = _BETWEEN.match(text, place)
        assert between is not None  # it may be empty
        place = between.end()
        problem = "the file ends within it"
        if place < len(text):
            if text[place] == "]" and is_array:
                return
            try:
                value, place = decoder.raw_decode(text, place)
            except json.JSONDecodeError as error:
                # The fault may be that the rest has not been read yet; not if reading on does not move it.
                problem = error.msg
                if error.pos - place != fault:
                    fault, known = error.pos - place, len(text) - place
                if len(text) - place > min(known + _PATIENCE, _MAX_CHARACTERS):
                    raise JsonDocumentError(f"object {number + 1} is no JSON: {problem}") from None
            except (ValueError, RecursionError) as error:
                raise JsonDocumentError(f"object {number + 1} cannot be read: {error}") from None
            else:
                number, fault = number + 1, -1
                yield _without_lone_surrogates(value) if text.find("\\u", between.end(), place) >= 0 else value
                continue
        chunk = file.read(_CHUNK_BYTES)
        if not chunk:
            if place < len(text) or is_array:
                raise JsonDocumentError(f"object {number + 1} is no JSON: {problem}")
            return
        text, place = text[place:] + utf8.decode(chunk), 0


def _without_lone_surrogates(value: Any) -> Any:
    """Return a value, or a ValueError if an escape in it is half of a character, which nothing can encode."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        return ValueError(f"expected whole characters, got half of one: {half}")
    return value


def _is_object(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, ValueError):
        return False
    return True
