"""The items of a list as bytes, by a compiled function: to the byte what ``ranking_encoding`` writes by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from presage_featurizer.ranking.compiled.compiling import BYTES, column, compiled, inner, table

__all__ = ["write_items"]

Array = NDArray[Any]

_ID, _SCORE, _SOURCE, _COLD, _PROPENSITY, _PRICE = 0x0A, 0x11, 0x18, 0x28, 0x31, 0x41
_WITH_DOUBLE = 9


@inner
def _length_bytes(length: int) -> int:
    return 1 if length < 1 << 7 else 2 if length < 1 << 14 else 3


@inner
def _put_length(length: int, out: Array, at: int) -> int:
    while length >= 1 << 7:
        out[at] = length & 0x7F | 0x80
        length >>= 7
        at += 1
    out[at] = length
    return at + 1


@inner
def _put_bytes(data: bytes, begin: int, size: int, out: Array, at: int) -> int:
    for place in range(size):
        out[at + place] = data[begin + place]
    return at + size


@inner
def _put_double(tag: int, bits: np.uint64, out: Array, at: int) -> int:
    out[at] = tag
    for place in range(8):
        out[at + 1 + place] = (bits >> np.uint64(8 * place)) & np.uint64(0xFF)
    return at + _WITH_DOUBLE


@compiled(
    types.int64,
    *(types.uint8, BYTES, table(types.int64), table(types.float64), table(types.uint8), table(types.boolean)),
    *(table(types.float64), table(types.float64), BYTES, table(types.int64), column(types.uint8)),
)
def write_items(  # noqa: PLR0917 - compiled functions are called by position
    tag: int, ids: bytes, id_sizes: Array, scores: Array, sources: Array, cold: Array, prices: Array, propensities: Array,
    reasons: bytes, reason_sizes: Array, out: Array,
) -> int:  # fmt: skip
    """Write items without rules and features.

    Args:
        tag: Of the field that the items are.
        ids: Those of all items, in UTF-8.
        id_sizes: How many bytes each has; below 2 ** 14.
        scores: And so on, one for each item; 0 is left out.
        sources: Below 128.
        cold: See above.
        prices: As the scores.
        propensities: None of them is 0.
        reasons: Those of all items, encoded.
        reason_sizes: How many bytes each item has of them; below 2 ** 14.
        out: Gets the bytes; has room for 48 bytes of each item, and for the ids and reasons.

    Returns:
        How many bytes were written.
    """
    score_bits, price_bits, propensity_bits = (
        scores.view(np.uint64),
        prices.view(np.uint64),
        propensities.view(np.uint64),
    )
    at = from_id = from_reason = 0
    for place in range(scores.shape[0]):
        id_size, reason_size = id_sizes[place], reason_sizes[place]
        size = 1 + _length_bytes(id_size) + id_size + 2 + reason_size + _WITH_DOUBLE
        size += (_WITH_DOUBLE if scores[place] != 0.0 else 0) + (_WITH_DOUBLE if prices[place] != 0.0 else 0)
        size += 2 if cold[place] else 0
        out[at] = tag
        at = _put_length(size, out, at + 1)
        out[at] = _ID
        at = _put_length(id_size, out, at + 1)
        at = _put_bytes(ids, from_id, id_size, out, at)
        if scores[place] != 0.0:
            at = _put_double(_SCORE, score_bits[place], out, at)
        out[at], out[at + 1] = _SOURCE, sources[place]
        at = _put_bytes(reasons, from_reason, reason_size, out, at + 2)
        if cold[place]:
            out[at], out[at + 1] = _COLD, 1
            at += 2
        at = _put_double(_PROPENSITY, propensity_bits[place], out, at)
        if prices[place] != 0.0:
            at = _put_double(_PRICE, price_bits[place], out, at)
        from_id += id_size
        from_reason += reason_size
    return at
