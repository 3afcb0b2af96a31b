"""The visitors of a replayed log: their states, and the items that they took."""

from __future__ import annotations

from array import array
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from presage_featurizer import VISITOR, Event, EventType, State
from presage_featurizer.habits import EVENT_WEIGHTS
from presage_featurizer.ranking.assembling import digest_number

__all__ = ["Visitors"]

_MAX_DECODED = 20_000


class Visitors:
    """States of all visitors; those that were not seen lately are kept encoded, in some hundred bytes each."""

    def __init__(self, max_decoded: int = _MAX_DECODED) -> None:
        self._states: OrderedDict[str, State] = OrderedDict()
        self._encoded: dict[str, bytes] = {}
        self._taken: dict[str, array[int]] = {}
        self._bought: dict[str, array[int]] = {}
        self._max_decoded = max_decoded

    def state(self, user_id: str) -> State | None:
        """Return a visitor's state; None before the first event."""
        state = self._states.get(user_id)
        if state is None and (blob := self._encoded.pop(user_id, None)) is not None:
            state = self._states[user_id] = VISITOR.decode(blob, 0)
        return state

    def fold(self, event: Event) -> None:
        """Fold an event into its visitor's state, and note the items taken."""
        user_id = event.user_id
        self._states[user_id] = VISITOR.fold(self.state(user_id), event)
        self._states.move_to_end(user_id)
        if len(self._states) > self._max_decoded:
            oldest, state = self._states.popitem(last=False)
            self._encoded[oldest] = VISITOR.encode(state)
        if EVENT_WEIGHTS.get(event.type, 0.0) > 0.0 and event.items:
            numbers = [digest_number(item.item_id) for item in event.items]
            self._taken.setdefault(user_id, array("Q")).extend(numbers)
            if event.type == EventType.PURCHASE:
                self._bought.setdefault(user_id, array("Q")).extend(numbers)

    def taken(self, user_id: str) -> NDArray[np.uint64]:
        """Return the numbers of the items that a visitor showed interest in, each once."""
        return np.unique(np.array(self._taken.get(user_id, ()), np.uint64))

    def bought(self, user_id: str) -> NDArray[np.uint64]:
        """Return the numbers of the items that a visitor bought, each once."""
        return np.unique(np.array(self._bought.get(user_id, ()), np.uint64))
