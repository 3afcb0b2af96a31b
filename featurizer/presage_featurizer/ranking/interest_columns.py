"""What a state says of a visitor's items, as arrays, with what the columns say of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.digests import WIDTH
from presage_featurizer.events import MICROS
from presage_featurizer.item_history import HISTORY_TIME_SECONDS, growth_factor, newest_session_items
from presage_featurizer.ranking.compiled import MAX_COMPILED_ITEMS, Kernels, kernels
from presage_featurizer.ranking.item_features import CODES, ItemFeatures
from presage_featurizer.state import ItemHistory

__all__ = ["InterestColumns", "read_columns"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_SCORE_BYTES, _TIME_BYTES, _COUNT_BYTES = 4, 3, 2
assert np.dtype(np.uint64).itemsize == WIDTH


class InterestColumns(NamedTuple):
    """The session's items, the newest first, each once, and then those of the history, the highest score first."""

    size: int
    """How many items the session has."""
    digests: NDArray[np.uint64]
    """Numbers of their digests."""
    rows: Rows
    """Their rows; UNKNOWN for those that the columns do not have."""
    of_session: Floats
    """Shape (items, 2): how often each is among the session's last items, and the seconds since its last event there."""
    of_history: Floats
    """Shape (4, items): scores, seconds since the last event, purchases, and other events."""
    codes: Rows
    """As in ``ItemFeatures.codes``."""
    prices: Floats
    """In units of the shop's currency; 0 if unknown."""


def read_columns(
    items: bytes, history: ItemHistory, item_features: ItemFeatures, now_unix_micros: int
) -> InterestColumns:
    """Read the items of a session and a history, and look up what is known of them."""
    compiled = kernels()
    if compiled is not None:
        found = _read_compiled(compiled, items, history, item_features, now_unix_micros)
        if found is not None:
            return found
    return _read(items, history, item_features, now_unix_micros)


def _read(items: bytes, history: ItemHistory, item_features: ItemFeatures, now_unix_micros: int) -> InterestColumns:
    seconds = now_unix_micros // MICROS
    numbers, session_counts, times = _session_records(items)
    size = len(numbers)
    scores = (np.frombuffer(history.scores, "<u4").astype(np.uint64) << np.uint64(32)).view(np.float64)
    order = np.argsort(-scores, kind="stable")
    digests = np.empty(size + len(order), np.uint64)
    digests[:size] = numbers
    digests[size:] = np.frombuffer(history.digests, "<u8").take(order)
    rows = item_features.index.rows_of(digests)
    counts = np.frombuffer(history.counts, np.uint8).reshape(-1, _COUNT_BYTES).take(order, axis=0)
    of_session = np.empty((size, 2))
    of_session[:, 0] = session_counts
    of_session[:, 1] = np.maximum(0.0, seconds - np.array(times, np.float64))
    of_history = np.empty((4, len(order)))
    of_history[0] = scores.take(order) / growth_factor(now_unix_micros)
    of_history[1] = np.maximum(0.0, seconds - _times(history.times).take(order))
    of_history[2:] = counts.T
    codes = item_features.codes.take(rows, axis=0, mode="wrap")
    return InterestColumns(
        size, digests, rows, of_session, of_history, codes, item_features.prices.take(rows, mode="wrap")
    )


def _read_compiled(
    compiled: Kernels, items: bytes, history: ItemHistory, item_features: ItemFeatures, now_unix_micros: int
) -> InterestColumns | None:
    """Do the same by a compiled function; None if the state is none that it reads."""
    count, most = len(history.digests) // WIDTH, len(items) // WIDTH
    lengths = (len(history.digests), len(history.scores), len(history.times), len(history.counts))
    if count > MAX_COMPILED_ITEMS or lengths != (
        count * WIDTH,
        count * _SCORE_BYTES,
        count * _TIME_BYTES,
        count * _COUNT_BYTES,
    ):
        return None
    digests, rows, prices = np.empty(most + count, np.uint64), np.empty(most + count, np.int64), np.empty(most + count)
    codes = np.empty((most + count, len(CODES)), np.int64)
    of_session, of_history = np.empty((most, 2)), np.empty((4, count))
    size = compiled.read_items(
        items, history.digests, history.scores, history.times, history.counts,
        float(now_unix_micros // MICROS), growth_factor(now_unix_micros),
        item_features.index.slots, item_features.codes, item_features.prices,
        digests, rows, of_session, of_history, codes, prices,
    )  # fmt: skip
    if size < 0:
        return None
    end = size + count
    return InterestColumns(size, digests[:end], rows[:end], of_session[:size], of_history, codes[:end], prices[:end])


def _times(times: bytes) -> Floats:
    """Return the seconds of a history's times, of three bytes each."""
    wide = np.zeros((len(times) // _TIME_BYTES, 4), np.uint8)
    wide[:, :_TIME_BYTES] = np.frombuffer(times, np.uint8).reshape(-1, _TIME_BYTES)
    return wide.view("<u4")[:, 0] * float(HISTORY_TIME_SECONDS)


def _session_records(items: bytes) -> tuple[list[int], list[int], list[int]]:
    """Return the numbers of a session's items, the newest first, how often it has each, and each one's newest time in seconds."""
    counts: dict[int, int] = {}
    newest: list[int] = []
    for number, seconds in zip(*newest_session_items(items), strict=True):
        if number in counts:
            counts[number] += 1
        else:
            counts[number] = 1
            newest.append(seconds)
    return list(counts), list(counts.values()), newest
