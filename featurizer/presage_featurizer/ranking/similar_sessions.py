"""The sessions that share most with a visitor's, and their items.

Source: "vector multiplication session-based kNN", Ludewig and Jannach, 2018.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.ranking.tables import Sessions
from presage_featurizer.ranking.workspace import Workspace

__all__ = ["EQUAL", "FADING", "MAX_LAST_ITEMS", "Similarities", "items_of_similar_sessions"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

MAX_LAST_ITEMS = 5
"""The visitor's last items that sessions are compared by."""

_SIMILAR_SESSIONS = 100
_SESSIONS_PER_ITEM = 200
_MAX_ITEMS = 2_048
"""Items of similar sessions that are read at most, those of the most similar sessions first."""

_NUMBERS = np.arange(_MAX_ITEMS)

_SESSION_BITS = 32


class Similarities:
    """Similarities by which of the last items a session has, as the bits of a number from 0."""

    def __init__(self, fading: float) -> None:
        weights = np.multiply.accumulate(np.array([1.0, *[fading] * (MAX_LAST_ITEMS - 1)]))
        shares = [
            sum(float(weight) for place, weight in enumerate(weights) if shared >> place & 1)
            for shared in range(1 << MAX_LAST_ITEMS)
        ]
        self.values, ranks = np.unique(np.array(shares), return_inverse=True)
        self.ranks = ranks.astype(np.int64)
        self.keys = self.ranks << _SESSION_BITS
        """The rank of each similarity, above the bits of a session's number."""


FADING, EQUAL = Similarities(0.8), Similarities(1.0)
_NOTHING = np.zeros(0, np.int32), np.zeros(0)
_BITS = np.left_shift(1, np.arange(MAX_LAST_ITEMS)).astype(np.uint8)


def items_of_similar_sessions(
    sessions: Sessions, last: Rows, workspace: Workspace, *, fade: bool
) -> tuple[NDArray[np.int32], Floats]:
    """Find the items of the sessions that share most with the visitor's last items.

    Args:
        sessions: Of the tables.
        last: Table rows of the last items, the newest first, at most MAX_LAST_ITEMS; UNKNOWN for those that have none.
        workspace: Of the calling thread.
        fade: Whether older ones weigh less.

    Returns:
        Table rows, repeats included, and the similarity of the session that each belongs to, the most similar and newest session
        first.
    """
    places = np.flatnonzero(last != UNKNOWN)
    rows = last[places]
    begins = sessions.item_starts.take(rows)
    sizes = np.minimum(sessions.item_starts.take(rows + 1) - begins, _SESSIONS_PER_ITEM)
    ranges = zip(begins.tolist(), sizes.tolist(), strict=True)
    numbers = np.concatenate([_NOTHING[0], *[sessions.of_items[begin : begin + size] for begin, size in ranges]])
    if not len(numbers):
        return _NOTHING
    bits = np.repeat(_BITS.take(places), sizes)
    marks = workspace.marks(len(sessions.starts))
    np.add.at(marks, numbers, bits)  # an item has a session once
    shared = marks.take(numbers)
    marks[numbers] = 0
    first = np.flatnonzero(shared & -shared == bits)  # once for each session: at the newest of the items that it shares
    similarities = FADING if fade else EQUAL
    keys = similarities.keys.take(shared.take(first)) | numbers.take(first)
    if len(keys) > _SIMILAR_SESSIONS:
        keys = np.partition(keys, -_SIMILAR_SESSIONS)[-_SIMILAR_SESSIONS:]
    keys.sort()
    keys = keys[::-1]
    return _items(sessions, keys & ((1 << _SESSION_BITS) - 1), similarities.values[keys >> _SESSION_BITS])


def _items(sessions: Sessions, numbers: Rows, weights: Floats) -> tuple[NDArray[np.int32], Floats]:
    begins = sessions.starts.take(numbers)
    sizes = sessions.starts.take(numbers + 1) - begins
    ends = sizes.cumsum()
    if ends[-1] > _MAX_ITEMS:
        kept = int(np.searchsorted(ends, _MAX_ITEMS, side="right"))
        begins, sizes, ends, weights = begins[:kept], sizes[:kept], ends[:kept], weights[:kept]
    return sessions.items.take(_ranges(begins, sizes, ends)), np.repeat(weights, sizes)


def _ranges(begins: NDArray[np.int32], sizes: NDArray[np.int32], ends: Rows) -> Rows:
    """Return the numbers of ranges, one range after the other; ``ends`` are the sums of the sizes."""
    numbers = np.repeat(begins - (ends - sizes), sizes)
    numbers += _NUMBERS[: len(numbers)]
    return numbers
