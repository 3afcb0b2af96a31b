"""How near items are to a visitor's by the tables; ``scores`` and ``similar_sessions`` say what comes out."""

from __future__ import annotations

import numpy as np
from numba import types

from presage_featurizer.ranking.compiled.compiling import Array, column, compiled, inner, table

__all__ = ["score_near"]

_MAX_LAST_ITEMS = 5
_SESSIONS_PER_ITEM = 200
_SIMILAR_SESSIONS = 100
_MAX_ITEMS = 2_048
_MAX_SCORE = 20.0
_FAR = 1_000.0
_NO_KEY = -2
"""Where a hash table has no key; UNKNOWN, -1, is one."""
_MULTIPLIER = np.uint64(0x9E37_79B9_7F4A_7C15)


@inner
def _touch(rows: Array, weights: Array, own: Array) -> float:
    """Read where the neighbours of some items begin and end, so that memory is waited for once and not for each item."""
    touched, last = 0.0, rows.shape[1] - 1
    if rows.size:
        for row in own:
            at = max(row, 0)
            touched += rows[at, 0] + rows[at, last] + weights[at, 0] + weights[at, last]
    return touched


@inner
def _gather(rows: Array, weights: Array, own: Array, own_weights: Array, found: Array, amounts: Array) -> int:
    """Copy the neighbours of some items, and what each adds to its score; return how many they are.

    Reading them before any of them is used lets the processor wait for all of them at once.
    """
    width = rows.shape[1]
    end = 0
    for at in range(own.shape[0]):
        row, weight = own[at], own_weights[at]
        if row >= 0:
            these, those = found[end : end + width], amounts[end : end + width]
            of_row, of_weights = rows[row], weights[row]
            for place in range(width):
                these[place] = of_row[place]
                those[place] = of_weights[place] * weight
            end += width
    return end


@inner
def _slots(most: int) -> Array:
    """Return an empty hash table for some rows: small, so that it stays in the fastest cache, as arrays for all rows do not."""
    size = 64
    while size < 4 * most:
        size *= 2
    return np.full((size, 2), _NO_KEY, np.int32)


@inner
def _slot_of(slots: Array, row: int) -> int:
    """Return the slot that has a row, or that it would get."""
    last = slots.shape[0] - 1
    slot = np.int64((np.uint64(row) * _MULTIPLIER) >> np.uint64(32)) & last
    while slots[slot, 0] != row and slots[slot, 0] != _NO_KEY:
        slot = (slot + 1) & last
    return slot


@inner
def _add(found: Array, amounts: Array, slots: Array, scores: Array) -> None:
    for at in range(found.shape[0]):
        slot = _slot_of(slots, np.int64(found[at]))
        if slots[slot, 0] >= 0:
            scores[slots[slot, 1]] += amounts[at]


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
    count = min(size, _SIMILAR_SESSIONS)
    begins, sizes = np.empty(count, np.int64), np.empty(count, np.int64)
    for at in range(count):
        number = numbers[nearest[at]]
        begins[at] = starts[number]
        sizes[at] = starts[number + 1] - starts[number]
    found, amounts = np.empty(_MAX_ITEMS, np.int32), np.empty(_MAX_ITEMS)
    last_item = items.shape[0] - 1
    for at in range(count if items.size else 0):  # see `_touch`
        found[at] = items[min(begins[at], last_item)]
    read = 0
    for at in range(count):
        end = read + sizes[at]
        if end > _MAX_ITEMS:
            break
        found[read:end] = items[begins[at] : begins[at] + sizes[at]]
        amounts[read:end] = similarities[ranks[shared[nearest[at]]]]
        read = end
    _add(found[:read], amounts[:read], slots, scores)


@inner
def _last_basket(history: Array, rows: Array) -> Array:
    """Return the items bought last: those of the latest purchases."""
    newest = np.inf
    for at in range(history.shape[1]):
        if history[2, at] > 0.0:
            newest = min(newest, history[1, at])
    found = np.empty(history.shape[1], np.int64)
    size = 0
    for at in range(history.shape[1]):
        if history[2, at] > 0.0 and history[1, at] == newest:
            found[size] = rows[at]
            size += 1
    return found[:size]


@inner
def _add_once(found: Array, amounts: Array, wanted: Array, scores: Array, ranks: Array) -> None:
    """Sum what was found, and set the scores of those that are wanted, and how many others are nearer."""
    totals = np.zeros(found.shape[0])
    slots = _slots(found.shape[0])
    size = 0
    for at in range(found.shape[0]):
        slot = _slot_of(slots, np.int64(found[at]))
        if slots[slot, 0] == _NO_KEY:
            slots[slot, 0], slots[slot, 1] = found[at], size
            size += 1
        totals[slots[slot, 1]] += amounts[at]
    for at in range(wanted.shape[0]):
        slot = _slot_of(slots, wanted[at])
        if wanted[at] < 0 or slots[slot, 0] < 0:
            continue
        total = totals[slots[slot, 1]]
        if total != 0.0:
            nearer = 0
            for other in range(size):
                nearer += totals[other] > total
            scores[at], ranks[at] = total, nearer


@inner
def _own_weights(history: Array) -> Array:
    weights = np.empty(history.shape[1])
    for at in range(weights.shape[0]):
        weights[at] = min(history[0, at], _MAX_SCORE) / _MAX_SCORE
    return weights


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
    column(types.int64), column(types.float64), column(types.float64, 2), column(types.float64),
)  # fmt: skip
def score_near(
    wanted: Array, own: Array, size: int, history: Array, session_weights: Array, table_rows_of: Array,
    viewed_rows: Array, viewed_weights: Array, followed_rows: Array, followed_weights: Array,
    liked_rows: Array, liked_weights: Array, starts: Array, items: Array, item_starts: Array, of_items: Array,
    similarity_ranks: Array, similarities: Array, scores: Array, ranks: Array,
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
    own_rows = np.empty(own.shape[0], np.int64)
    for at in range(own.shape[0]):
        own_rows[at] = table_rows_of[own[at]]
    last, weights = own_rows[:size], session_weights
    if not size:
        last, weights = _last_basket(history, own_rows), np.ones(history.shape[1])
    newest = last[:_MAX_LAST_ITEMS]
    room = max(
        history.shape[1] * liked_rows.shape[1], last.shape[0] * viewed_rows.shape[1], newest.shape[0] * followed_rows.shape[1]
    )  # fmt: skip
    found, amounts = np.empty((3, room), np.int32), np.empty((3, room))
    touched = _touch(liked_rows, liked_weights, own_rows[size:])
    touched += _touch(viewed_rows, viewed_weights, last)
    scores[0, :1] = touched + _touch(followed_rows, followed_weights, newest)
    liked = _gather(liked_rows, liked_weights, own_rows[size:], _own_weights(history), found[0], amounts[0])
    viewed = _gather(viewed_rows, viewed_weights, last, weights, found[1], amounts[1])
    followed = _gather(followed_rows, followed_weights, newest, weights, found[2], amounts[2])
    scores[:] = 0.0
    ranks[:] = _FAR
    _add_once(found[0, :liked], amounts[0, :liked], rows, scores[2], ranks)
    slots = _slots(rows.shape[0])
    for at in range(rows.shape[0]):
        if rows[at] >= 0:
            slot = _slot_of(slots, rows[at])
            slots[slot, 0], slots[slot, 1] = rows[at], at
    _add(found[1, :viewed], amounts[1, :viewed], slots, scores[0])
    _add(found[2, :followed], amounts[2, :followed], slots, scores[1])
    _add_sessions(newest, similarity_ranks, similarities, starts, items, item_starts, of_items, slots, scores[3])
    return True
