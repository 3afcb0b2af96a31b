"""What a visitor is interested in: the items of their history and of their session, as rows of the columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.digests import WIDTH
from presage_featurizer.events import MICROS, EventType
from presage_featurizer.habits import EVENT_WEIGHTS
from presage_featurizer.item_history import HISTORY_TIME_SECONDS, growth_factor, newest_session_items
from presage_featurizer.ranking.compiled import MAX_COMPILED_ITEMS, kernels
from presage_featurizer.ranking.item_features import CODES, ItemFeatures
from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.state import ItemHistory, Session, State

__all__ = ["MAX_RATING", "Interests"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

MAX_RATING = 5.0
"""The highest implicit rating: that of an item bought just now."""

_RATING = MAX_RATING / EVENT_WEIGHTS[EventType.PURCHASE]
_TIME_BYTES = 3
assert np.dtype(np.uint64).itemsize == WIDTH


class Interests:
    """A visitor's items at one moment. Items that the columns do not have, have the row UNKNOWN.

    Args:
        state: The visitor's state, with its items; None for a visitor without history.
        session: The session to rank for; None without one.
        item_features: Of all items.
        now_unix_micros: The moment.
    """

    def __init__(
        self, state: State | None, session: Session | None, item_features: ItemFeatures, now_unix_micros: int
    ) -> None:
        state = State() if state is None else state
        items = b"" if session is None else session.items
        read = _read_compiled(items, state.items, item_features, now_unix_micros)
        if read is None:
            read = _read(items, state.items, item_features, now_unix_micros)
        self.digests = read.digests
        """Numbers of the digests of the session's items, then of the history's."""
        self.rows: Rows = read.rows
        """Their rows."""
        size = self.size = read.size
        """How many items the session has."""
        self.session: Rows = self.rows[:size]
        """Rows of the session's items, the newest first, each once."""
        self.history: Rows = self.rows[size:]
        """Rows of the visitor's items, the highest score first."""
        self.of_session, self.of_history = read.session, read.history
        """The next two arrays for the session's items together, transposed, and the four after them for the history's."""
        self.session_counts, self.session_ages_seconds = self.of_session.T
        """How often each is among the session's last items, and the time since then."""
        self.scores, self.ages_seconds, self.purchases, self.others = self.of_history
        """Of the visitor's items: scores, the time since each one's last event, its purchases, and its other events."""
        self.orders = state.orders
        self.codes: Rows = read.codes
        """Codes of the session's items, then of the history's, as in ``ItemFeatures.codes``."""
        self.prices: Floats = read.prices
        """Their prices, in units of the shop's currency; 0 if unknown."""
        if size and self.rows[0] == UNKNOWN and _is_newest(session, state):
            # The state tells what the session's newest item is, but for its brand, if it is too new for a row.
            price = state.habits.last_price_micros / MICROS
            self.codes[0], self.prices[0] = item_features.codes_of(state.habits.last_category, price), price
        self._bought_last: NDArray[np.bool_] | None = None

    @property
    def session_digests(self) -> NDArray[np.uint64]:
        """Numbers of the digests of the session's items, the newest first."""
        return self.digests[: self.size]

    @property
    def history_digests(self) -> NDArray[np.uint64]:
        """Numbers of the digests of the visitor's items, the highest score first."""
        return self.digests[self.size :]

    @property
    def ratings(self) -> Floats:
        """Implicit ratings of the visitor's items, 0 to 5: half of the decayed weights, so 1 for a view and 5 for a purchase."""
        return np.minimum(self.scores * _RATING, MAX_RATING)

    @property
    def bought_last(self) -> NDArray[np.bool_]:
        """Which of the visitor's items they bought last."""
        if self._bought_last is None:
            self._bought_last = np.zeros(len(self.purchases), bool)
            bought = self.purchases.nonzero()[0]
            if len(bought):
                ages = self.ages_seconds.take(bought)
                self._bought_last[bought] = ages == ages.min()
        return self._bought_last

    @property
    def last_basket(self) -> Rows:
        """Rows of the items bought last."""
        return self.history[self.bought_last]

    def place_cold(self, digest: int, row: int) -> None:
        """Give an item that the columns do not have a row of its own."""
        self.rows[self.digests == np.uint64(digest)] = row


class _Read(NamedTuple):
    """What a state says of items, and what the columns do."""

    size: int
    digests: NDArray[np.uint64]
    rows: Rows
    session: Floats
    """Shape (items, 2): how often, and how long ago."""
    history: Floats
    """Shape (4, items): scores, how long ago, purchases, and other events."""
    codes: Rows
    prices: Floats


def _read(items: bytes, history: ItemHistory, item_features: ItemFeatures, now_unix_micros: int) -> _Read:
    seconds = now_unix_micros // MICROS
    numbers, session_counts, times = _session_records(items)
    size = len(numbers)
    scores = (np.frombuffer(history.scores, "<u4").astype(np.uint64) << np.uint64(32)).view(np.float64)
    order = np.argsort(-scores, kind="stable")
    digests = np.empty(size + len(order), np.uint64)
    digests[:size] = numbers
    digests[size:] = np.frombuffer(history.digests, "<u8").take(order)
    rows = item_features.index.rows_of(digests)
    counts = np.frombuffer(history.counts, np.uint8).reshape(-1, 2).take(order, axis=0)
    of_session = np.empty((size, 2))
    of_session[:, 0] = session_counts
    of_session[:, 1] = np.maximum(0.0, seconds - np.array(times, np.float64))
    of_history = np.empty((4, len(order)))
    of_history[0] = scores.take(order) / growth_factor(now_unix_micros)
    of_history[1] = np.maximum(0.0, seconds - _times(history.times).take(order))
    of_history[2:] = counts.T
    codes = item_features.codes.take(rows, axis=0, mode="wrap")
    return _Read(size, digests, rows, of_session, of_history, codes, item_features.prices.take(rows, mode="wrap"))


def _read_compiled(
    items: bytes, history: ItemHistory, item_features: ItemFeatures, now_unix_micros: int
) -> _Read | None:
    """Do the same faster, where that is possible."""
    known = kernels()
    count, most = len(history.digests) // WIDTH, len(items) // WIDTH
    lengths = (len(history.digests), len(history.scores), len(history.times), len(history.counts))
    if known is None or count > MAX_COMPILED_ITEMS or lengths != (count * WIDTH, 4 * count, _TIME_BYTES * count, 2 * count):
        return None
    digests, rows, prices = np.empty(most + count, np.uint64), np.empty(most + count, np.int64), np.empty(most + count)
    codes = np.empty((most + count, len(CODES)), np.int64)
    of_session, of_history = np.empty((most, 2)), np.empty((4, count))
    size = known.read_items(
        items, history.digests, history.scores, history.times, history.counts,
        float(now_unix_micros // MICROS), growth_factor(now_unix_micros),
        item_features.index.slots, item_features.codes, item_features.prices,
        digests, rows, of_session, of_history, codes, prices,
    )  # fmt: skip
    if size < 0:
        return None
    end = size + count
    return _Read(size, digests[:end], rows[:end], of_session[:size], of_history, codes[:end], prices[:end])


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


def _is_newest(session: Session | None, state: State) -> bool:
    """Return whether the visitor's newest event is of this session, so that the habits tell of its item."""
    newest = max([known.last_unix_micros for known in state.sessions], default=0)
    return session is not None and session.last_unix_micros >= newest
