"""Changes of bytes that know nothing of what the bytes mean."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

__all__ = ["mutate_bytes"]

_LARGE = 1 << 16


def mutate_bytes(random: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """Change bytes at one to four places: bits, runs, integers, and pieces of other data.

    Args:
        random: Draws the changes.
        data: What is changed.
        others: Data of the same kind, of which pieces are spliced in.
    """
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 2, 4))):
        _change(random, changed, others)
    return bytes(changed)


def _change(random: Random, data: bytearray, others: Sequence[bytes]) -> None:
    at = random.randrange(len(data) + 1)
    match random.randrange(9):
        case 0 if data:
            data[at % len(data)] ^= 1 << random.randrange(8)
        case 1 if data:
            data[at % len(data)] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
        case 2:
            del data[at : at + random.choice((1, 2, 8, len(data)))]
        case 3:
            data[at:at] = random.randbytes(random.choice((1, 2, 8, 40)))
        case 4:
            data[at:at] = data[at : at + random.choice((8, 100, 10_000))] * random.choice((1, 1, 3))
        case 5:
            width = random.choice((1, 2, 4, 8))
            number = random.choice((0, 1, 2 ** (8 * width - 1) - 1, 2 ** (8 * width - 1), 2 ** (8 * width) - 1))
            data[at : at + width] = number.to_bytes(width, random.choice(("little", "big")))
        case 6 if others:
            other = random.choice(others)
            begin = random.randrange(len(other) + 1)
            data[at:at] = other[begin : begin + random.choice((4, 30, len(other)))]
        case 7:
            data[at:at] = bytes((random.choice((0, 0xFF, 0x20, 0x0A)),)) * random.choice((1, 7, 200, _LARGE))
        case _:
            second = random.randrange(len(data) + 1)
            begin, end = min(at, second), max(at, second)
            data[begin:end] = data[begin:end][::-1]
