"""The features of candidates, all at once; ``pairs`` says what they mean and how they are computed."""

from __future__ import annotations

import numpy as np
from numba import types

from presage_featurizer.ranking.compiled.compiling import Array, column, compiled, inner

__all__ = ["MAX_SUMMED", "fill_features", "pairwise_sum"]


MAX_SUMMED = 128
"""Numpy sums more numbers in another order."""

_OWN, _SESSION, _NEAR, _SHARES, _SAME, _PRICES, _ITEM = 0, 7, 10, 15, 20, 22, 26
"""Where blocks of features begin."""
_ITEM_FEATURES, _RATES, _KINDS = 12, 3, 3
_CANDIDATE = _ITEM + _ITEM_FEATURES + _RATES
_VISITOR = _CANDIDATE + 3
_DAY_SECONDS, _MINUTE_SECONDS = 86_400.0, 60.0
_DAY_MICROS = 86_400_000_000.0
_FAR = 1_000.0
_MAX_SCORE = 1e30
_MAX_RATING, _RATING = 5.0, 0.5
_LEAST_RATING = 1e-9
_UNROLLED = 8


@inner
def _sum(numbers: Array) -> float:
    size = numbers.shape[0]
    total = 0.0
    if size < _UNROLLED:
        for place in range(size):
            total += numbers[place]
        return total
    parts = numbers[:_UNROLLED].copy()
    whole = size - size % _UNROLLED
    for place in range(_UNROLLED, whole):
        parts[place % _UNROLLED] += numbers[place]
    total = ((parts[0] + parts[1]) + (parts[2] + parts[3])) + ((parts[4] + parts[5]) + (parts[6] + parts[7]))
    for place in range(whole, size):
        total += numbers[place]
    return total


@compiled(types.float64, column(types.float64))
def pairwise_sum(numbers: Array) -> float:
    """Sum up to MAX_SUMMED numbers in the order in which numpy sums them."""
    return _sum(numbers)


@inner
def _set_sums(sums: Array, codes: Array, weights: Array) -> None:
    for at in range(codes.shape[0]):
        for kind in range(_KINDS):
            sums[codes[at, kind]] += weights[at]
    sums[0], sums[1], sums[2] = 0.0, -1.0, 0.0


@inner
def _clear_sums(sums: Array, codes: Array) -> None:
    for at in range(codes.shape[0]):
        for kind in range(_KINDS):
            sums[codes[at, kind]] = 0.0
    sums[:_KINDS] = 0.0


@inner
def _at_most_far(number: float) -> float:
    return _FAR if number > _FAR else number


@inner
def _ratio(price: float, other: float) -> float:
    return _at_most_far(price * (1.0 / other)) if other > 0.0 else -1.0


@inner
def _within(rows: Array, size: int) -> bool:
    for row in rows:
        if not -1 <= row < size:
            return False
    return True


@inner
def _codes_within(rows: Array, item_codes: Array, codes: Array, size: int) -> bool:
    highest = np.int64(0)
    for row in rows:
        for kind in range(_KINDS):
            highest = max(highest, item_codes[row, kind])
    for at in range(codes.shape[0]):
        for kind in range(_KINDS):
            highest = max(highest, codes[at, kind])
    return highest < size


@inner
def _visitor_features(size: int, history: Array, orders: int, intent: int) -> Array:
    found = np.empty(5, np.float32)
    count = history.shape[1]
    found[0], found[1], found[2], found[3], found[4] = count, orders, size, -1.0, intent
    if count:
        found[3] = history[1].min() / _DAY_SECONDS
    return found


@inner
def _own_features(history: Array, orders: int) -> Array:
    """Return what each of the visitor's items says of a candidate that it is; the last column: of all others."""
    count = history.shape[1]
    found = np.zeros((_SESSION, count + 1), np.float32)
    found[1, count] = found[2, count] = -1.0
    newest = np.inf
    for place in range(count):
        if history[2, place] > 0.0:
            newest = min(newest, history[1, place])
    for place in range(count):
        age, purchases = history[1, place], history[2, place]
        found[0, place] = min(history[0, place], _MAX_SCORE)
        found[1, place] = place
        found[2, place] = age / _DAY_SECONDS
        found[3, place] = purchases
        found[4, place] = history[3, place]
        found[5, place] = purchases / max(1, orders)
        found[6, place] = 1.0 if purchases > 0.0 and age == newest else 0.0
    return found


@inner
def _mean_price(prices: Array) -> float:
    known = 0
    for price in prices:
        known += price != 0.0
    return _sum(prices) / max(1, known)


@inner
def _set_shares(
    rows: Array, item_codes: Array, codes: Array, size: int, history: Array, sums: Array, values: Array
) -> None:
    _set_sums(sums, codes[:size], np.full(size, 1.0 / max(1, size)))
    for at in range(rows.shape[0]):
        for kind in range(2):
            values[at, _SHARES + kind] = sums[item_codes[rows[at], kind]]
    _clear_sums(sums, codes[:size])
    ratings = np.empty(history.shape[1])
    for place in range(ratings.shape[0]):
        ratings[place] = min(history[0, place] * _RATING, _MAX_RATING)
    total = max(_sum(ratings), _LEAST_RATING)
    for place in range(ratings.shape[0]):
        ratings[place] /= total
    _set_sums(sums, codes[size:], ratings)
    for at in range(rows.shape[0]):
        for kind in range(_KINDS):
            values[at, _SHARES + 2 + kind] = sums[item_codes[rows[at], kind]]
    _clear_sums(sums, codes[size:])


_FLOATS, _ROWS, _PLACES = column(types.float64), column(types.int64), column(types.int16)
_FLOAT_TABLE, _CODES = column(types.float64, 2), column(types.int64, 2)
_VALUES = column(types.float32, 2)


@compiled(
    types.boolean, _ROWS, _ROWS, types.int64, _ROWS, types.int64, _FLOAT_TABLE, _FLOAT_TABLE, _CODES, _FLOATS, types.int64,
    types.int64, types.float64, types.float64, types.float64, _VALUES, _CODES, _FLOATS, _ROWS, _FLOAT_TABLE,
    _ROWS, column(types.float32), _FLOAT_TABLE, _FLOATS, _PLACES, _PLACES, _FLOATS, _VALUES,
)  # fmt: skip
def fill_features(
    rows: Array, positions: Array, now_unix_micros: int, own: Array, size: int, session: Array, history: Array,
    codes: Array, prices: Array, orders: int, intent: int, anchor_price: float, pressure: float, pressure_sum: float,
    item_values: Array, item_codes: Array, item_prices: Array, first_seen: Array, prior_parts: Array,
    table_rows_of: Array, repeat_rates: Array, scores: Array, ranks: Array,
    own_places: Array, session_places: Array, sums: Array, values: Array,
) -> bool:  # fmt: skip
    """Fill in the features of candidates, one row of ``values`` each.

    Returns:
        Whether all numbers are within the arrays; nothing was done otherwise.
    """
    known = min(item_prices.shape[0], table_rows_of.shape[0], own_places.shape[0])
    if not (_within(rows, known) and _within(own, known) and _codes_within(rows, item_codes, codes, sums.shape[0])):
        return False
    visitor = _visitor_features(size, history, orders, intent)
    own_features = _own_features(history, orders)
    newest_price = prices[0] if prices.shape[0] else 0.0
    own_price = _mean_price(prices[size:])
    if anchor_price < 0.0:
        anchor_price = newest_price
    newest = np.full(2, -1, np.int64)
    for kind in range(2):
        if codes.shape[0] and codes[0, kind] >= _KINDS:
            newest[kind] = codes[0, kind]
    _set_shares(rows, item_codes, codes, size, history, sums, values)
    for at in range(own.shape[0]):
        if own[at] >= 0:
            if at < size:
                session_places[own[at]] = at + 1
            else:
                own_places[own[at]] = at - size
    for at in range(rows.shape[0]):
        row, found = rows[at], values[at]
        place = own_places[row]
        for number in range(_SESSION):
            found[number] = own_features[number, place]
        place = session_places[row] - 1
        if place < 0:
            found[_SESSION], found[_SESSION + 1], found[_SESSION + 2] = -1.0, 0.0, -1.0
        else:
            found[_SESSION] = place
            found[_SESSION + 1] = session[place, 0]
            found[_SESSION + 2] = session[place, 1] / _MINUTE_SECONDS
        for number in range(scores.shape[0]):
            found[_NEAR + number] = scores[number, at]
        found[_NEAR + scores.shape[0]] = ranks[at]
        for kind in range(2):
            found[_SAME + kind] = 1.0 if item_codes[row, kind] == newest[kind] else 0.0
        price = item_prices[row]
        if price > 0.0:
            found[_PRICES] = _ratio(price, newest_price)
            found[_PRICES + 1] = _ratio(price, own_price)
            found[_PRICES + 2] = _at_most_far(price * pressure + pressure_sum)
            found[_PRICES + 3] = _at_most_far(price * (-1.0 / anchor_price) + 1.0) if anchor_price > 0.0 else 0.0
        else:
            found[_PRICES], found[_PRICES + 1], found[_PRICES + 2], found[_PRICES + 3] = -1.0, -1.0, -1.0, 0.0
        for number in range(_ITEM_FEATURES):
            found[_ITEM + number] = item_values[row, number]
        for number in range(_RATES):
            part = prior_parts[item_codes[row, 0], number] + item_values[row, _ITEM_FEATURES + number]
            found[_ITEM + _ITEM_FEATURES + number] = part / item_values[row, _ITEM_FEATURES + _RATES + number]
        found[_CANDIDATE] = repeat_rates[table_rows_of[row]]
        found[_CANDIDATE + 1] = max(0, now_unix_micros - first_seen[row]) / _DAY_MICROS
        found[_CANDIDATE + 2] = positions[at] if positions.shape[0] else 0
        for number in range(visitor.shape[0]):
            found[_VISITOR + number] = visitor[number]
    for at in range(own.shape[0]):
        if own[at] >= 0:
            session_places[own[at]] = 0
            own_places[own[at]] = -1
    return True
