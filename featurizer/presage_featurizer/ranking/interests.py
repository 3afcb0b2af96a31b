"""What a visitor is interested in: the items of their history and of their session, as rows of the columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.digests import WIDTH
from presage_featurizer.events import MICROS
from presage_featurizer.item_history import growth_factor, history_scores, history_times, session_items
from presage_featurizer.ranking.items import UNKNOWN, ItemColumns
from presage_featurizer.state import Session, State

__all__ = ["Interests"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

assert np.dtype(np.uint64).itemsize == WIDTH


class Interests:
    """A visitor's items at one moment. Items that the columns do not have are left out.

    Args:
        state: The visitor's state, with its items; None for a visitor without history.
        session: The session to rank for; None without one.
        items: All items.
        now_unix_micros: The moment.
    """

    def __init__(self, state: State | None, session: Session | None, items: ItemColumns, now_unix_micros: int) -> None:
        seconds = now_unix_micros // MICROS
        state = State() if state is None else state
        history = state.items
        rows = items.rows_of(np.frombuffer(history.digests, "<u8").tolist())
        scores = np.array(history_scores(history)) / growth_factor(now_unix_micros)
        last = np.array(history_times(history), np.int64)
        counts = np.frombuffer(history.counts, np.uint8).reshape(-1, 2)
        order = np.argsort(-scores, kind="stable")
        order = order[rows[order] != UNKNOWN]
        self.history: Rows = rows[order]
        """Rows of the visitor's items, the highest score first."""
        self.scores: Floats = scores[order]
        self.ages_seconds: Floats = np.maximum(0, seconds - last[order]).astype(np.float64)
        """Time since each item's last event."""
        self.purchases: Floats = counts[order, 0].astype(np.float64)
        self.others: Floats = counts[order, 1].astype(np.float64)
        """Events of each item that are not purchases."""
        self.last_basket: Rows = self.history[(self.purchases > 0) & (self.ages_seconds == self._newest_purchase())]
        """Rows of the items bought last."""
        self.orders = state.orders
        self._set_session(session, items, seconds)

    def _newest_purchase(self) -> float:
        bought = self.ages_seconds[self.purchases > 0]
        return float(bought.min()) if len(bought) else -1.0

    def _set_session(self, session: Session | None, items: ItemColumns, seconds: int) -> None:
        groups = session_items(b"" if session is None else session.items)
        digests = b"".join([group.digests for group in groups])
        rows = items.rows_of(np.frombuffer(digests, "<u8").tolist())[::-1]
        sizes = [len(group.digests) // WIDTH for group in groups]
        times = np.repeat(np.array([group.unix_seconds for group in groups], np.int64), sizes)[::-1]
        known = rows != UNKNOWN
        rows, times = rows[known], times[known]
        _, first, counts = np.unique(rows, return_index=True, return_counts=True)
        order = np.argsort(first)
        self.session: Rows = rows[first[order]]
        """Rows of the session's items, the newest first, each once."""
        self.session_counts: Floats = counts[order].astype(np.float64)
        """How often each is among the session's last items."""
        self.session_ages_seconds: Floats = np.maximum(0, seconds - times[first[order]]).astype(np.float64)
