"""Stored states that no release wrote, each drawn from a seed and its number alone."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any
from zlib import crc32

import msgspec

from benchmarks.fuzzing.byte_mutations import mutate_bytes

__all__ = ["HEADER_BYTES", "StateMaker", "frame"]

HEADER_BYTES = 5
"""Checksum and version."""
_VERSIONS = (1, 2, 3, 4, 5)
_OTHER_VERSIONS = (0, 6, 200, 255)
_DEPTHS = (5, 100, 3_000)
_INTEGERS = (
    *(0, 1, -1, 2, 127, 128, 255, 256, 20_000, 10**15, 10**18, 10**18 + 1),
    *(2**31, 2**53, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, -(10**18)),
)
_REALS = (0.0, -0.0, 1e-300, 1e300, -1e300, 1.5, float("nan"), float("inf"), float("-inf"))
_TEXTS = ("", "a", "x" * 300, "\0", "é" * 129, "GB", "\u202e", "{}", "tab-1")
_LARGE = 30_000


def frame(version: int, body: bytes) -> bytes:
    """Write a state with a checksum that holds."""
    rest = bytes((version,)) + body
    return crc32(rest).to_bytes(4, "big") + rest


class StateMaker:
    """Draws states.

    Args:
        seed: Of all of them.
        blobs: States as releases wrote them, without revision.
    """

    def __init__(self, seed: int, blobs: Sequence[bytes]) -> None:
        self._seed = seed
        self._blobs = blobs

    def draw(self, number: int) -> bytes:
        """Make the state of a number."""
        random = Random(f"{self._seed}:{number}")
        blob = random.choice(self._blobs)
        version, body = blob[HEADER_BYTES - 1], blob[HEADER_BYTES:]
        lot = random.random()
        if lot < 0.08:
            return mutate_bytes(random, blob, self._blobs)
        if lot < 0.12:
            version = random.choice(_OTHER_VERSIONS)
        elif lot < 0.3:
            version = random.choice(_VERSIONS)
        if lot > 0.8:
            return frame(version, mutate_bytes(random, body))
        fields = msgspec.msgpack.decode(body, strict=False)
        for _ in range(random.choice((1, 1, 1, 2, 2, 4))):
            _change(random, fields)
        return frame(version, _encode(fields))


def _encode(fields: Any) -> bytes:
    try:
        return msgspec.msgpack.encode(fields)
    except OverflowError:  # an integer of more than 64 bits
        return msgspec.msgpack.encode([])


def _change(random: Random, fields: Any) -> None:
    """Change one value anywhere inside a list or dict."""
    target = fields
    while True:
        if not target:
            if isinstance(target, list):
                target.append(_value(random))
            else:
                target[_key(random)] = _value(random)
            return
        key = random.choice(list(target)) if isinstance(target, dict) else random.randrange(len(target))
        inner = target[key]
        if isinstance(inner, list | dict) and random.random() < 0.8:
            target = inner
            continue
        break
    lot = random.random()
    if lot < 0.1:
        del target[key]
    elif lot < 0.2 and isinstance(target, list):
        target.insert(key, random.choice((inner, _value(random))))
    elif lot < 0.25 and isinstance(target, dict):
        target[_key(random)] = inner
    elif lot < 0.3 and isinstance(target, list):
        target.extend([inner] * random.choice((1, 5, 200)))
    else:
        target[key] = _near(random, inner) if random.random() < 0.75 else _value(random)


def _near(random: Random, value: Any) -> Any:
    """Draw another value of the same type."""
    match value:
        case bool():
            choices: Sequence[Any] = (not value,)
        case int():
            choices = (*_INTEGERS, value + 1, value - 1, -value, value * 1_000 % 2**63)
        case float():
            choices = (*_REALS, -value, value * 1e9)
        case str():
            choices = (*_TEXTS, value * 2)
        case bytes():
            choices = (mutate_bytes(random, value), mutate_bytes(random, value), value + value[:8], value * 2)
        case list():
            choices = ([], value * 2, value[::-1], value[1:])
        case dict():
            keys = {_key(random): inner for inner in value.values()}
            choices = ({}, dict(list(value.items())[1:]), keys)
        case _:
            choices = (None,)
    return random.choice(choices)


def _key(random: Random) -> Any:
    return random.choice((*_TEXTS, *_INTEGERS, b"", b"12345678", 1.5, True, None))


def _value(random: Random) -> Any:
    """Draw a value of any type."""
    choices: Sequence[Any] = (
        random.choice(_INTEGERS),
        random.choice(_REALS),
        random.choice(_TEXTS),
        random.randbytes(random.choice((0, 1, 7, 8, 14, 160, _LARGE))),
        None,
        True,
        [],
        {},
        msgspec.Raw(b"\x91" * random.choice(_DEPTHS) + b"\x90"),  # lists in each other
    )
    return random.choice(choices)
