"""The visitors of a replayed log: their states, and the items that they took."""

from __future__ import annotations

from array import array
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from presage_featurizer import VISITOR, Event, EventType, State
from presage_featurizer.habits import EVENT_WEIGHTS
from presage_featurizer.ranking.assembling import digest_number
from presage_featurizer.state import SESSION_IDLE_MICROS

__all__ = ["Visitors"]

_MAX_DECODED = 20_000


class Visitors:
    """States of all visitors; those that were not seen lately are kept encoded, in some hundred bytes each.

    Args:
        state_ttl_micros: After which silence a state is dropped, as servers do; 0 never. Items taken are kept.
        max_decoded: How many states are kept decoded.
    """

    def __init__(self, state_ttl_micros: int = 0, max_decoded: int = _MAX_DECODED) -> None:
        self._ttl_micros = state_ttl_micros
        self._last: dict[str, int] = {}
        """The time of each visitor's last event."""
        self._silence: dict[str, int] = {}
        """How long each was silent before the newest session, if there was an earlier one."""
        self._states: OrderedDict[str, State] = OrderedDict()
        self._encoded: dict[str, bytes] = {}
        self._taken: dict[str, array[int]] = {}
        self._bought: dict[str, array[int]] = {}
        self._max_decoded = max_decoded

    def state(self, user_id: str, unix_micros: int) -> State | None:
        """Return a visitor's state at a moment; None before the first event, or if it was dropped."""
        if self._ttl_micros and unix_micros - self._last.get(user_id, unix_micros) >= self._ttl_micros:
            self._states.pop(user_id, None)
            self._encoded.pop(user_id, None)
            return None
        state = self._states.get(user_id)
        if state is None and (blob := self._encoded.pop(user_id, None)) is not None:
            state = self._states[user_id] = VISITOR.decode(blob, 0)
        return state

    def fold(self, event: Event) -> None:
        """Fold an event into its visitor's state, and note the items taken."""
        user_id, now = event.user_id, event.event_time_unix_micros
        self._states[user_id] = VISITOR.fold(self.state(user_id, now), event)
        silence = now - self._last.get(user_id, now)
        if silence > SESSION_IDLE_MICROS:
            self._silence[user_id] = silence
        self._last[user_id] = now
        self._states.move_to_end(user_id)
        if len(self._states) > self._max_decoded:
            oldest, state = self._states.popitem(last=False)
            self._encoded[oldest] = VISITOR.encode(state)
        if EVENT_WEIGHTS.get(event.type, 0.0) > 0.0 and event.items:
            numbers = [digest_number(item.item_id) for item in event.items]
            self._taken.setdefault(user_id, array("Q")).extend(numbers)
            if event.type == EventType.PURCHASE:
                self._bought.setdefault(user_id, array("Q")).extend(numbers)

    def silence(self, user_id: str, unix_micros: int) -> int:
        """Return how long a visitor had been silent before the session of a moment; 0 in the first one."""
        now = unix_micros - self._last.get(user_id, unix_micros)
        return now if now > SESSION_IDLE_MICROS else self._silence.get(user_id, 0)

    def taken(self, user_id: str) -> NDArray[np.uint64]:
        """Return the numbers of the items that a visitor showed interest in, each once."""
        return np.unique(np.array(self._taken.get(user_id, ()), np.uint64))

    def bought(self, user_id: str) -> NDArray[np.uint64]:
        """Return the numbers of the items that a visitor bought, each once."""
        return np.unique(np.array(self._bought.get(user_id, ()), np.uint64))
