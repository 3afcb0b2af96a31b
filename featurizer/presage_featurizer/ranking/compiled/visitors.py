"""Items found by digest, and a visitor's items read from their state; ``digest_index`` and ``interests`` say what comes out."""

from __future__ import annotations

import numpy as np
from numba import types

from presage_featurizer.ranking.compiled.compiling import BYTES, Array, column, compiled, inner, table

__all__ = ["compare_items", "find_rows", "read_items"]

_UNKNOWN = -1
_NO_ROW = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_DIGEST_BYTES = 8
_GROUP_BYTES = 6
"""Behind the last digest of a group: the type of its event, how many digests there are, and its time in seconds."""
_TIME_SECONDS = 256.0
_INFINITE = 0x7FF0_0000
"""The upper half of infinity; greater are those of negative numbers, and of those that are none."""


@inner
def _row_of(slots: Array, digest: np.uint64) -> int:
    mask = np.uint64(slots.shape[0] - 1)
    place = digest & mask
    while slots[place, 1] != _NO_ROW:
        if slots[place, 0] == digest:
            return np.int64(slots[place, 1])
        place = (place + np.uint64(1)) & mask
    return _UNKNOWN


@compiled(types.void, column(types.uint64, 2), table(types.uint64), column(types.int64))
def find_rows(slots: Array, digests: Array, rows: Array) -> None:
    """Find rows by digest in the slots of an index."""
    for place in range(digests.shape[0]):
        rows[place] = _row_of(slots, digests[place])


@inner
def _number(data: bytes, at: int, width: int) -> np.uint64:
    number = np.uint64(0)
    for place in range(width):
        number |= np.uint64(data[at + place]) << np.uint64(8 * place)
    return number


@inner
def _read_session(items: bytes, seconds: float, digests: Array, session: Array) -> int:
    size = 0
    end = len(items)
    while end > 0:
        if end < _GROUP_BYTES + _DIGEST_BYTES:
            return _UNKNOWN
        end -= _GROUP_BYTES
        count = max(1, np.int64(items[end + 1]))
        time = float(_number(items, end + 2, 4))
        if end < count * _DIGEST_BYTES:
            return _UNKNOWN
        for _ in range(count):
            end -= _DIGEST_BYTES
            digest = _number(items, end, _DIGEST_BYTES)
            place = 0
            while place < size and digests[place] != digest:
                place += 1
            if place == size:
                digests[place] = digest
                session[place, 0] = 0.0
                session[place, 1] = max(0.0, seconds - time)
                size += 1
            session[place, 0] += 1.0
    return size


@inner
def _sort(scores: bytes, order: Array) -> bool:
    """Put the places of scores into their order, the highest first, and of equal ones the first first."""
    size = order.shape[0]
    keys = np.empty(size, np.uint64)
    for done in range(size):
        place = size - 1 - done  # from the end: the newest are mostly the highest
        half = _number(scores, 4 * place, 4)
        if half > np.uint64(_INFINITE):
            return False
        key = (half << np.uint64(32)) | np.uint64(0xFFFF_FFFF - place)
        at = done
        while at > 0 and keys[at - 1] < key:
            keys[at] = keys[at - 1]
            at -= 1
        keys[at] = key
    for at in range(size):
        order[at] = 0xFFFF_FFFF - np.int64(keys[at] & np.uint64(0xFFFF_FFFF))
    return True


@compiled(
    types.int64, BYTES, BYTES, BYTES, BYTES, BYTES, types.float64, types.float64,
    column(types.uint64, 2), column(types.int64, 2), column(types.float64),
    column(types.uint64), column(types.int64), column(types.float64, 2), column(types.float64, 2),
    column(types.int64, 2), column(types.float64),
)  # fmt: skip
def read_items(
    session_items: bytes, history_digests: bytes, history_scores: bytes, history_times: bytes, history_counts: bytes,
    seconds: float, growth: float, slots: Array, all_codes: Array, all_prices: Array,
    digests: Array, rows: Array, session: Array, history: Array, codes: Array, prices: Array,
) -> int:  # fmt: skip
    """Read the items of a session and of a history, and look up what is known of them.

    Returns:
        How many items the session has; -1 if the state is none that this could read.
    """
    size = _read_session(session_items, seconds, digests, session)
    count = history.shape[1]
    order = np.empty(count, np.int64)
    if size < 0 or not _sort(history_scores, order):
        return _UNKNOWN
    halves = history[0].view(np.uint64)
    for at in range(count):
        place = order[at]
        digests[size + at] = _number(history_digests, _DIGEST_BYTES * place, _DIGEST_BYTES)
        halves[at] = _number(history_scores, 4 * place, 4) << np.uint64(32)
        history[0, at] /= growth
        history[1, at] = max(0.0, seconds - float(_number(history_times, 3 * place, 3)) * _TIME_SECONDS)
        history[2, at] = float(history_counts[2 * place])
        history[3, at] = float(history_counts[2 * place + 1])
    for at in range(size + count):
        rows[at] = _row_of(slots, digests[at])
    for at in range(size + count):
        row = rows[at] % all_prices.shape[0]
        for kind in range(codes.shape[1]):
            codes[at, kind] = all_codes[row, kind]
        prices[at] = all_prices[row]
    return size


@compiled(
    types.Tuple((types.int64, types.boolean)), column(types.uint64), types.int64, column(types.float64, 2),
    column(types.float64, 2), column(types.int64, 2),
)  # fmt: skip
def compare_items(digests: Array, size: int, session: Array, history: Array, codes: Array) -> tuple[int, bool]:
    """Count the session's items that have events before the session's last ones; return whether items are compared, too."""
    known = 0
    for at in range(history.shape[1]):
        events = history[2, at] + history[3, at]
        for place in range(size):
            if digests[place] == digests[size + at] and events > session[place, 0]:
                known += 1
    for place in range(size):
        if session[place, 0] > 1.0 and codes[place, 0] >= codes.shape[1]:
            for other in range(size):
                if other != place and codes[other, 0] == codes[place, 0]:
                    return known, True
    return known, False
