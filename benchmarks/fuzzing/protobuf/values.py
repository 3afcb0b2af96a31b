"""Values of fields: usual ones by a field's name, and those at and beyond the bounds of its type."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType

from google.protobuf.descriptor import FieldDescriptor

from benchmarks.fuzzing.protobuf.tree import FIXED32, FIXED64, LENGTH, VARINT

__all__ = ["Vocabulary", "extreme_value", "usual_value", "wire_type_of"]

_F = FieldDescriptor
_DAY_MICROS = 86_400_000_000

_WIRE_TYPES = {
    _F.TYPE_DOUBLE: FIXED64,
    _F.TYPE_FIXED64: FIXED64,
    _F.TYPE_SFIXED64: FIXED64,
    _F.TYPE_FLOAT: FIXED32,
    _F.TYPE_FIXED32: FIXED32,
    _F.TYPE_SFIXED32: FIXED32,
    _F.TYPE_STRING: LENGTH,
    _F.TYPE_BYTES: LENGTH,
    _F.TYPE_MESSAGE: LENGTH,
}

_REALS = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, 1.0 + 1e-12, -1e-9, 5e-324, 2.2e-308, 1e-45, 1e-300, 1e38, 3.5e38, 1.8e307),
    *(1e9, 1e9 + 1, 1e12, 1e12 + 1, -1e12, -1e12 - 1, 9.007199254740993e15, 1.9e19),
    *(float("inf"), float("-inf"), float("nan"), -float("nan")),
)
_INTEGERS = (
    *(0, 1, 2, -1, 127, 128, 1_000, 1_001, 10_000, 10_001, 1_000_000, 1_000_001, 10**12, 10**12 + 1),
    *(2**31 - 1, 2**31, -(2**31), 2**32 - 1, 2**32, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1),
)
_TEXTS = (
    *(b"", b" ", b"\0", b"a\0b", b"\n", b"line\r\nbreak", b"\x1b[31m", b"%s%n{0}", b"../../etc/passwd", b"'; --"),
    *("é".encode(), "é".encode() * 128, "é".encode() * 129, "🛒".encode() * 64, "🛒".encode() * 65, "\u202e".encode()),
    *("\ufeff".encode(), "e\u0301".encode(), "\uffff".encode(), b"x" * 255, b"x" * 256, b"x" * 257, b"x" * 70_000),
    *(
        b"null",
        b"NaN",
        b"0",
        b"-1",
        b"true",
        b"{}",
        b"[]",
        b"GB",
        b"gb",
        b"GB\n",
        "\uff27\uff22".encode(),
        b"EUR",
        b"{p0}:events",
    ),
)
_BROKEN_TEXTS = (b"\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"abc\x80", b"\xf0\x9f\x9b")
"""No UTF-8: lone bytes, cut and overlong forms, surrogates, what is above the last code point."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """What requests are about."""

    now_unix_micros: int
    """About the time of the server's clock."""
    words: Mapping[str, Sequence[str]] = field(default_factory=lambda: MappingProxyType({}))
    """Usual texts by the name of the field."""

    def moments(self) -> Sequence[int]:
        """List times at bounds; none so near to one that it moves over it while a fuzzer runs."""
        now = self.now_unix_micros
        return (
            *(0, 1, -1, 10**14 - 1, 10**14, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 1_700_000_000, 1_700_000_000_000),
            *(
                now - _DAY_MICROS,
                now - 40 * _DAY_MICROS,
                now - 1_000_000,
                now + 3 * _DAY_MICROS,
                now + 400 * _DAY_MICROS,
            ),
        )


def wire_type_of(known: FieldDescriptor) -> int:
    """Return how a field is written; a repeated one's elements."""
    return _WIRE_TYPES.get(known.type, VARINT)


def usual_value(random: Random, known: FieldDescriptor, vocabulary: Vocabulary) -> int | bytes:
    """Draw a value that a proper caller could have sent."""
    wire_type = wire_type_of(known)
    if wire_type == LENGTH:
        words = vocabulary.words.get(known.name)
        return random.choice(words).encode() if words else b"word-%d" % random.randrange(100)
    if wire_type != VARINT:
        return _pack(random.choice((0.0, 0.25, 1.0, 4.5, 19.99)), wire_type)
    if known.type == _F.TYPE_ENUM:
        return random.choice(known.enum_type.values).number
    if known.type == _F.TYPE_BOOL:
        return random.randrange(2)
    if known.name.endswith("unix_micros"):
        return vocabulary.now_unix_micros - random.randrange(10 * _DAY_MICROS)
    return random.randrange(1, 30)


def extreme_value(random: Random, known: FieldDescriptor, vocabulary: Vocabulary) -> int | bytes:
    """Draw a value at or beyond the bounds of a field's type, or of what its name says."""
    wire_type = wire_type_of(known)
    if wire_type == LENGTH:
        return _text(random, vocabulary)
    if wire_type != VARINT:
        if random.random() < 0.3:
            return random.randbytes(8 if wire_type == FIXED64 else 4)
        return _pack(random.choice(_REALS), wire_type)
    if known.name.endswith("unix_micros") and random.random() < 0.7:
        return random.choice(vocabulary.moments())
    return random.choice(_INTEGERS) if random.random() < 0.8 else random.getrandbits(64)


def _text(random: Random, vocabulary: Vocabulary) -> bytes:
    makers: Sequence[Callable[[], bytes]] = (
        lambda: random.choice(_TEXTS),
        lambda: random.choice(_TEXTS),
        lambda: random.choice(_BROKEN_TEXTS),
        lambda: random.randbytes(random.choice((1, 8, 60))),
        lambda: random.choice([word for words in vocabulary.words.values() for word in words] or ["word"]).encode(),
    )
    return random.choice(makers)()


def _pack(number: float, wire_type: int) -> bytes:
    if wire_type == FIXED64:
        return struct.pack("<d", number)
    try:
        return struct.pack("<f", number)
    except OverflowError:
        return struct.pack("<f", float("inf") if number > 0 else float("-inf"))
