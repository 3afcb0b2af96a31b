"""What a visitor is interested in: the items of their history and of their session, as rows of the columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.events import MICROS, EventType
from presage_featurizer.habits import EVENT_WEIGHTS
from presage_featurizer.ranking.interest_columns import read_columns
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.state import Session, State

__all__ = ["MAX_RATING", "Interests"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

MAX_RATING = 5.0
"""The highest implicit rating: that of an item bought just now."""

_RATING = MAX_RATING / EVENT_WEIGHTS[EventType.PURCHASE]
_NOBODY = State()


class Interests:
    """A visitor's items at one moment, with the attributes of ``InterestColumns``.

    Args:
        state: The visitor's state, with its items; None for a visitor without history.
        session: The session to rank for; None without one.
        item_features: Of all items.
        now_unix_micros: The moment.
    """

    def __init__(
        self, state: State | None, session: Session | None, item_features: ItemFeatures, now_unix_micros: int
    ) -> None:
        state = _NOBODY if state is None else state
        items = b"" if session is None else session.items
        size, self.digests, self.rows, self.of_session, self.of_history, self.codes, self.prices = read_columns(
            items, state.items, item_features, now_unix_micros
        )
        self.size = size
        """How many items the session has."""
        self.session: Rows = self.rows[:size]
        """Rows of the session's items, the newest first, each once."""
        self.history: Rows = self.rows[size:]
        """Rows of the visitor's items, the highest score first."""
        self.orders = state.orders
        if size and self.rows[0] == UNKNOWN and _is_newest(session, state):
            # The state tells what the session's newest item is, but for its brand, if it is too new for a row.
            price = state.habits.last_price_micros / MICROS
            self.codes[0], self.prices[0] = item_features.codes_of(state.habits.last_category, price), price
        self._bought_last: NDArray[np.bool_] | None = None

    @property
    def session_counts(self) -> Floats:
        """How often each is among the session's last items."""
        found: Floats = self.of_session[:, 0]
        return found

    @property
    def session_ages_seconds(self) -> Floats:
        """Time since each one's last event in the session."""
        found: Floats = self.of_session[:, 1]
        return found

    @property
    def scores(self) -> Floats:
        """Scores of the visitor's items."""
        found: Floats = self.of_history[0]
        return found

    @property
    def ages_seconds(self) -> Floats:
        """Time since each item's last event."""
        found: Floats = self.of_history[1]
        return found

    @property
    def purchases(self) -> Floats:
        """Purchases of each item."""
        found: Floats = self.of_history[2]
        return found

    @property
    def others(self) -> Floats:
        """Events of each item that are not purchases."""
        found: Floats = self.of_history[3]
        return found

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


def _is_newest(session: Session | None, state: State) -> bool:
    """Return whether the visitor's newest event is of this session, so that the habits tell of its item."""
    newest = max([known.last_unix_micros for known in state.sessions], default=0)
    return session is not None and session.last_unix_micros >= newest
