"""What a visitor is interested in: the items of their history and of their session, as rows of the columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.digests import WIDTH
from presage_featurizer.events import MICROS, EventType
from presage_featurizer.habits import EVENT_WEIGHTS
from presage_featurizer.item_history import HISTORY_TIME_SECONDS, growth_factor, newest_session_items
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.state import Session, State

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
        seconds = now_unix_micros // MICROS
        state = State() if state is None else state
        numbers, session_counts, times = _session_records(b"" if session is None else session.items)
        history = state.items
        scores = (np.frombuffer(history.scores, "<u4").astype(np.uint64) << np.uint64(32)).view(np.float64)
        order = np.argsort(-scores, kind="stable")
        size = len(numbers)
        self.digests = np.empty(size + len(order), np.uint64)
        """Numbers of the digests of the session's items, then of the history's."""
        self.digests[:size] = numbers
        self.digests[size:] = np.frombuffer(history.digests, "<u8").take(order)
        self.rows: Rows = item_features.index.rows_of(self.digests)
        """Their rows."""
        self.session: Rows = self.rows[:size]
        """Rows of the session's items, the newest first, each once."""
        self.history: Rows = self.rows[size:]
        """Rows of the visitor's items, the highest score first."""
        self.scores: Floats = scores.take(order) / growth_factor(now_unix_micros)
        self.ages_seconds: Floats = np.maximum(0.0, seconds - _times(history.times).take(order))
        """Time since each item's last event."""
        counts = np.frombuffer(history.counts, np.uint8).reshape(-1, 2).take(order, axis=0).astype(np.float64)
        self.purchases: Floats = counts[:, 0]
        self.others: Floats = counts[:, 1]
        """Events of each item that are not purchases."""
        self.orders = state.orders
        self.session_counts: Floats = np.array(session_counts, np.float64)
        """How often each is among the session's last items."""
        self.session_ages_seconds: Floats = np.maximum(0.0, seconds - np.array(times, np.float64))
        self.codes: Rows = item_features.codes.take(self.rows, axis=0, mode="wrap")
        """Codes of the session's items, then of the history's, as in ``ItemFeatures.codes``."""
        self.prices: Floats = item_features.prices.take(self.rows, mode="wrap")
        """Their prices, in units of the shop's currency; 0 if unknown."""
        if size and self.rows[0] == UNKNOWN and _is_newest(session, state):
            # The state tells what the session's newest item is, but for its brand, if it is too new for a row.
            price = state.habits.last_price_micros / MICROS
            self.codes[0], self.prices[0] = item_features.codes_of(state.habits.last_category, price), price
        self._bought_last: NDArray[np.bool_] | None = None

    @property
    def session_digests(self) -> NDArray[np.uint64]:
        """Numbers of the digests of the session's items, the newest first."""
        return self.digests[: len(self.session)]

    @property
    def history_digests(self) -> NDArray[np.uint64]:
        """Numbers of the digests of the visitor's items, the highest score first."""
        return self.digests[len(self.session) :]

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
