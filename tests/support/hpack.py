"""HPACK as far as a test client needs it: header fields written as literals, and read without a dynamic table."""

from __future__ import annotations

from collections.abc import Iterable

Headers = list[tuple[str, str]]

# RFC 7541, appendix A: the names that servers refer to by number, and the values of those that stand for a whole field.
_STATIC_NAMES = {31: "content-type", 28: "content-length", 33: "date", 54: "server", 16: "accept-encoding", 22: "allow"}
_STATIC_FIELDS = {
    8 + place: (":status", value) for place, value in enumerate(("200", "204", "206", "304", "400", "404", "500"))
}

# RFC 7541, appendix B: the code is canonical, so the symbols of each length in order are all of it. Other than ASCII is never sent.
_SYMBOLS = {
    5: "012aceiost",
    6: " %-./3456789=A_bdfghlmnpru",
    7: ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
    8: "&*,;XZ",
    10: '!"()?',
    11: "'+|",
    12: "#>",
    13: "\0$@[]~",
    14: "^}",
    15: "<`{",
}


def _huffman_codes() -> dict[tuple[int, int], str]:
    codes, code, last = {}, 0, 0
    for length, symbols in _SYMBOLS.items():
        code <<= length - last
        for symbol in symbols:
            codes[length, code] = symbol
            code += 1
        last = length
    return codes


_CODES = _huffman_codes()


def encode_headers(headers: Iterable[tuple[str, str | bytes]]) -> bytes:
    """Write fields, each as a literal that is not indexed."""
    block = bytearray()
    for name, value in headers:
        block.append(0)
        for text in (name, value):
            data = text.encode() if isinstance(text, str) else text
            block += _encode_number(len(data), 7) + data
    return bytes(block)


def decode_headers(block: bytes) -> Headers:
    """Read fields of a peer that was told to keep no table.

    Raises:
        ValueError: The block refers to a table all the same.
    """
    headers, at = [], 0
    while at < len(block):
        first = block[at]
        if first & 0x80:
            number, at = _decode_number(block, at, 7)
            if number not in _STATIC_FIELDS:
                raise ValueError(f"expected a field of the static table, got {number}")
            headers.append(_STATIC_FIELDS[number])
        elif first & 0xE0 == 0x20:
            _, at = _decode_number(block, at, 5)  # the size of the table
        else:
            number, at = _decode_number(block, at, 6 if first & 0x40 else 4)
            if number:
                name = _STATIC_FIELDS[number][0] if number in _STATIC_FIELDS else _STATIC_NAMES[number]
            else:
                name, at = _decode_text(block, at)
            value, at = _decode_text(block, at)
            headers.append((name, value))
    return headers


def _encode_number(number: int, bits: int) -> bytes:
    most = (1 << bits) - 1
    if number < most:
        return bytes([number])
    data, number = bytearray([most]), number - most
    while number >= 128:
        data.append(number % 128 + 128)
        number //= 128
    data.append(number)
    return bytes(data)


def _decode_number(block: bytes, at: int, bits: int) -> tuple[int, int]:
    most = (1 << bits) - 1
    number, at = block[at] & most, at + 1
    if number < most:
        return number, at
    shift = 0
    while True:
        number += (block[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if not block[at - 1] & 128:
            return number, at


def _decode_text(block: bytes, at: int) -> tuple[str, int]:
    is_huffman = block[at] & 0x80
    length, at = _decode_number(block, at, 7)
    data, at = block[at : at + length], at + length
    return (_decode_huffman(data) if is_huffman else data.decode("latin-1")), at


def _decode_huffman(data: bytes) -> str:
    text, code, length = [], 0, 0
    for byte in data:
        for bit in range(7, -1, -1):
            code, length = code << 1 | byte >> bit & 1, length + 1
            symbol = _CODES.get((length, code))
            if symbol is not None:
                text.append(symbol)
                code = length = 0
    return "".join(text)
