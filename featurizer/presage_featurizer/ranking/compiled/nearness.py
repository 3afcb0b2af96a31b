"""How near items are to a visitor's by the tables; ``scores`` and ``similar_sessions`` say what comes out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from presage_featurizer.ranking.compiled.compiling import column, compiled, inner, table

__all__ = ["score_near"]

Array = NDArray[Any]

_MAX_LAST_ITEMS = 5
_SESSIONS_PER_ITEM = 200
_SIMILAR_SESSIONS = 100
_MAX_ITEMS = 2_048
_MAX_SCORE = 20.0
_FAR = 1_000.0


@inner
def _add_neighbours(rows: Array, weights: Array, row: int, weight: float, slots: Array, scores: Array) -> None:
    for place in range(rows.shape[1]):
        slot = slots[rows[row, place]]
        if slot > 0:
            scores[slot - 1] += weights[row, place] * weight


@inner
def _merge(of_items: Array, places: Array, ends: Array, bits: Array, numbers: Array, shared: Array) -> int:
    """Merge the sessions of some items, the newest first, with the items that each of them has."""
    lists = ends.shape[0]
    heads = np.empty(lists, np.int64)
    for number in range(lists):
        heads[number] = of_items[places[number]] if places[number] < ends[number] else -1
    size = 0
    while True:
        newest = np.int64(-1)
        for number in range(lists):
            newest = max(newest, heads[number])
        if newest < 0:
            return size
        found = 0
        for number in range(lists):
            if heads[number] == newest:
                found |= bits[number]
                places[number] += 1
                heads[number] = of_items[places[number]] if places[number] < ends[number] else -1
        numbers[size], shared[size] = newest, found
        size += 1


@inner
def _add_sessions(
    last: Array, ranks: Array, similarities: Array, starts: Array, items: Array, item_starts: Array, of_items: Array,
    slots: Array, scores: Array,
) -> None:  # fmt: skip
    places = np.empty(_MAX_LAST_ITEMS, np.int64)
    ends = np.empty(_MAX_LAST_ITEMS, np.int64)
    bits = np.empty(_MAX_LAST_ITEMS, np.int64)
    lists = 0
    for place in range(last.shape[0]):
        row = last[place]
        if row >= 0:
            places[lists] = item_starts[row]
            ends[lists] = min(np.int64(item_starts[row + 1]), places[lists] + _SESSIONS_PER_ITEM)
            bits[lists] = 1 << place
            lists += 1
    numbers = np.empty(_MAX_LAST_ITEMS * _SESSIONS_PER_ITEM, np.int64)
    shared = np.empty(_MAX_LAST_ITEMS * _SESSIONS_PER_ITEM, np.int64)
    size = _merge(of_items, places, ends[:lists], bits, numbers, shared)
    # Sessions by similarity; those of equal ones stay in their order.
    at = np.zeros(similarities.shape[0], np.int64)
    for place in range(size):
        at[ranks[shared[place]]] += 1
    before = np.int64(0)
    for rank in range(similarities.shape[0] - 1, -1, -1):
        before, at[rank] = before + at[rank], before
    nearest = np.empty(_SIMILAR_SESSIONS, np.int64)
    for place in range(size):
        rank = ranks[shared[place]]
        if at[rank] < _SIMILAR_SESSIONS:
            nearest[at[rank]] = place
        at[rank] += 1
    read = 0
    for place in nearest[: min(size, _SIMILAR_SESSIONS)]:
        begin, end = starts[numbers[place]], starts[numbers[place] + 1]
        read += end - begin
        if read > _MAX_ITEMS:
            return
        similarity = similarities[ranks[shared[place]]]
        for number in range(begin, end):
            slot = slots[items[number]]
            if slot > 0:
                scores[slot - 1] += similarity


@inner
def _last_basket(history: Array, size: int, rows: Array, table_rows_of: Array, last: Array) -> int:
    newest = np.inf
    for at in range(history.shape[1]):
        if history[2, at] > 0.0:
            newest = min(newest, history[1, at])
    count = 0
    for at in range(history.shape[1]):
        if history[2, at] > 0.0 and history[1, at] == newest:
            last[count] = table_rows_of[rows[size + at]]
            count += 1
    return count


@inner
def _score_liked(
    rows: Array, weights: Array, history: Array, size: int, own: Array, table_rows_of: Array, places: Array, wanted: Array,
    scores: Array, ranks: Array,
) -> None:  # fmt: skip
    count, width = history.shape[1], rows.shape[1]
    totals = np.empty(count * width)
    found = 0
    for at in range(count):
        row = table_rows_of[own[size + at]]
        if row < 0:
            continue
        weight = min(history[0, at], _MAX_SCORE) / _MAX_SCORE
        for number in range(width):
            other = rows[row, number]
            place = places[other]
            if place < 0:
                place = np.int16(found)
                places[other] = place
                totals[found] = 0.0
                found += 1
            totals[place] += weights[row, number] * weight
    for at in range(wanted.shape[0]):
        place = places[wanted[at]] if wanted[at] >= 0 else np.int16(-1)
        if place >= 0 and totals[place] != 0.0:
            scores[at] = totals[place]
            nearer = 0
            for other_place in range(found):
                nearer += totals[other_place] > totals[place]
            ranks[at] = nearer
    for at in range(count):
        row = table_rows_of[own[size + at]]
        if row >= 0:
            for number in range(width):
                places[rows[row, number]] = -1


_NUMBERS = table(types.int32)
_NEIGHBOUR_ROWS, _NEIGHBOUR_WEIGHTS = table(types.int32, 2), table(types.float32, 2)


@inner
def _within(rows: Array, size: int) -> bool:
    for row in rows:
        if not -1 <= row < size:
            return False
    return True


@compiled(
    types.boolean, column(types.int64), column(types.int64), types.int64, column(types.float64, 2), column(types.float64),
    column(types.int64), _NEIGHBOUR_ROWS, _NEIGHBOUR_WEIGHTS, _NEIGHBOUR_ROWS, _NEIGHBOUR_WEIGHTS,
    _NEIGHBOUR_ROWS, _NEIGHBOUR_WEIGHTS, _NUMBERS, _NUMBERS, _NUMBERS, _NUMBERS,
    column(types.int64), column(types.float64), column(types.int16), column(types.int16),
    column(types.float64, 2), column(types.float64),
)  # fmt: skip
def score_near(
    wanted: Array, own: Array, size: int, history: Array, session_weights: Array, table_rows_of: Array,
    viewed_rows: Array, viewed_weights: Array, followed_rows: Array, followed_weights: Array,
    liked_rows: Array, liked_weights: Array, starts: Array, items: Array, item_starts: Array, of_items: Array,
    similarity_ranks: Array, similarities: Array, places: Array, slots: Array, scores: Array, ranks: Array,
) -> bool:  # fmt: skip
    """Score some items by each table, and set ``ranks`` of those that the table of liked items finds.

    Returns:
        Whether all numbers are within the arrays; nothing was done otherwise.
    """
    known = table_rows_of.shape[0]
    if not (_within(wanted, known) and _within(own, known)):
        return False
    rows = np.empty(wanted.shape[0], np.int64)
    for at in range(wanted.shape[0]):
        rows[at] = table_rows_of[wanted[at]]
    scores[:] = 0.0
    ranks[:] = _FAR
    _score_liked(
        liked_rows, liked_weights, history, size, own, table_rows_of, places, rows, scores[2], ranks
    )  # fmt: skip
    last = np.empty(max(size, history.shape[1]), np.int64)
    if size:
        count = size
        for at in range(size):
            last[at] = table_rows_of[own[at]]
    else:
        count = _last_basket(history, size, own, table_rows_of, last)
    for at in range(rows.shape[0]):
        if rows[at] >= 0:
            slots[rows[at]] = at + 1
    for at in range(count):
        if last[at] >= 0:
            weight = session_weights[at] if size else 1.0
            _add_neighbours(viewed_rows, viewed_weights, last[at], weight, slots, scores[0])
            if at < _MAX_LAST_ITEMS:
                _add_neighbours(followed_rows, followed_weights, last[at], weight, slots, scores[1])
    _add_sessions(
        last[: min(count, _MAX_LAST_ITEMS)], similarity_ranks, similarities, starts, items, item_starts, of_items, slots, scores[3]
    )  # fmt: skip
    for at in range(rows.shape[0]):
        if rows[at] >= 0:
            slots[rows[at]] = 0
    return True
