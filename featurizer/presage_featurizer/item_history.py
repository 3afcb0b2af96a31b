"""Which items a visitor was interested in: the items of their sessions in order, and the strongest of all time.

Item ids are kept as digests. Scores decay with a half-life, but are stored as if they grew with it: a weight is multiplied by the
growth at its event's time, and the sum is divided by the growth at the moment of reading. So no score changes while time passes,
and the order of two items is the same at every moment ("forward decay", Cormode et al., 2009).
"""

from __future__ import annotations

from array import array
from math import ldexp
from struct import Struct

from presage_featurizer.digests import WIDTH, product_digest
from presage_featurizer.events import MICROS, Event, EventType
from presage_featurizer.habits import EVENT_WEIGHTS
from presage_featurizer.state import (
    ALL_PARTS,
    MAX_HISTORY_ITEMS,
    MAX_SESSION_ITEMS,
    ItemHistory,
    Session,
    State,
    StatePart,
)

__all__ = ["HISTORY_HALF_LIFE_MICROS", "SESSION_ITEM", "fold_items", "growth_factor", "move_items_back"]

HISTORY_HALF_LIFE_MICROS = 60 * 86_400 * MICROS
"""An item's score halves in this time."""

SESSION_ITEM = Struct(f"<{WIDTH}sBI")
"""One item of a session: the digest of its id, the event's type, and the event's time in seconds since 1970-01-01 UTC."""

_LANDMARK_MICROS = 2_524_608_000 * MICROS  # 2050-01-01, so that neither 1970 nor 2200 leaves the range of a double
_MAX_DOUBLINGS = 960
_SCORE = Struct("<d")
_SECONDS = Struct("<I")
_MAX_SECONDS = 0xFFFF_FFFF
_MAX_COUNT = 0xFF
_PURCHASE = EventType.PURCHASE


def growth_factor(unix_micros: int) -> float:
    """Return how much more an event at that moment weighs than one at the landmark, 2050-01-01.

    Doubles with each half-life, with straight lines in between, which every machine computes to the same bit. Events after the year
    2207 weigh the same.
    """
    doublings, rest = divmod(unix_micros - _LANDMARK_MICROS, HISTORY_HALF_LIFE_MICROS)
    return ldexp(1.0 + rest / HISTORY_HALF_LIFE_MICROS, min(doublings, _MAX_DOUBLINGS))


def fold_items(state: State, session: Session | None, event: Event, needs: frozenset[StatePart] = ALL_PARTS) -> None:
    """Fold the items of one event, not a refund, into a state and the event's session (changes them in place).

    An event's weight is that of its type in EVENT_WEIGHTS; types without one are left out. Of an event with many items, the first
    MAX_HISTORY_ITEMS are counted, and the last MAX_SESSION_ITEMS are kept with the session. When there is no more room in the
    history, the item with the lowest score is dropped.
    """
    weight = EVENT_WEIGHTS.get(event.type)
    if not weight or not event.items or "items" not in needs:
        return
    seconds = min(event.event_time_unix_micros // MICROS, _MAX_SECONDS)
    _fold_history(state.items, event, weight, seconds)
    if session is not None:
        session.items = _with_items(session.items, event, seconds)


def _with_items(items: bytes, event: Event, seconds: int) -> bytes:
    """Return a session's items with those of an event; a late event's come before those of later ones."""
    kind = int(event.type)
    width = SESSION_ITEM.size
    place = len(items)
    while place and _SECONDS.unpack_from(items, place - _SECONDS.size)[0] > seconds:
        place -= width
    added = b"".join(
        [SESSION_ITEM.pack(product_digest(item.item_id), kind, seconds) for item in event.items[-MAX_SESSION_ITEMS:]]
    )
    return (items[:place] + added + items[place:])[-MAX_SESSION_ITEMS * width :]


def _fold_history(history: ItemHistory, event: Event, weight: float, seconds: int) -> None:
    gain = weight * growth_factor(event.event_time_unix_micros)
    is_purchase = event.type == _PURCHASE
    for item in event.items[:MAX_HISTORY_ITEMS]:
        digest = product_digest(item.item_id)
        place = _find(history.digests, digest)
        if place >= 0:
            _add(history, place, gain, seconds, is_purchase=is_purchase)
        elif gain > 0.0:
            if len(history.digests) >= MAX_HISTORY_ITEMS * WIDTH:
                _drop_lowest(history)
            history.digests += digest
            history.scores += _SCORE.pack(gain)
            history.last_seconds += _SECONDS.pack(seconds)
            history.counts += b"\1\0" if is_purchase else b"\0\1"


def move_items_back(state: State, clock_unix_micros: int) -> None:
    """Set the times of items that are later than the clock to the clock, and scale their scores likewise; see ``wrong_clock``."""
    clock = min(clock_unix_micros // MICROS, _MAX_SECONDS)
    for session in state.sessions:
        records = SESSION_ITEM.iter_unpack(session.items)
        session.items = b"".join(
            [SESSION_ITEM.pack(item, kind, min(seconds, clock)) for item, kind, seconds in records]
        )
    history = state.items
    scores, last = array("d", history.scores), array("I", history.last_seconds)
    for place, seconds in enumerate(last):
        if seconds > clock:
            scores[place] *= growth_factor(clock * MICROS) / growth_factor(seconds * MICROS)
            last[place] = clock
    history.scores, history.last_seconds = scores.tobytes(), last.tobytes()


def _find(digests: bytes, digest: bytes) -> int:
    """Return the place of a digest, or -1."""
    found = digests.find(digest)
    while found > 0 and found % WIDTH:  # a match that spans two digests
        found = digests.find(digest, found + 1)
    return found // WIDTH


def _add(history: ItemHistory, place: int, gain: float, seconds: int, *, is_purchase: bool) -> None:
    at = place * _SCORE.size
    scores = history.scores
    score = max(0.0, _SCORE.unpack_from(scores, at)[0] + gain)
    history.scores = scores[:at] + _SCORE.pack(score) + scores[at + _SCORE.size :]
    at = place * _SECONDS.size
    last = history.last_seconds
    if seconds > _SECONDS.unpack_from(last, at)[0]:
        history.last_seconds = last[:at] + _SECONDS.pack(seconds) + last[at + _SECONDS.size :]
    at = 2 * place + (0 if is_purchase else 1)
    counts = history.counts
    if counts[at] < _MAX_COUNT:
        history.counts = counts[:at] + bytes((counts[at] + 1,)) + counts[at + 1 :]


def _drop_lowest(history: ItemHistory) -> None:
    """Drop the item with the lowest score; of equal ones, that which has been known for longest."""
    scores = array("d", history.scores)
    place = scores.index(min(scores))
    history.digests = _without(history.digests, place, WIDTH)
    history.scores = _without(history.scores, place, _SCORE.size)
    history.last_seconds = _without(history.last_seconds, place, _SECONDS.size)
    history.counts = _without(history.counts, place, 2)


def _without(column: bytes, place: int, width: int) -> bytes:
    return column[: place * width] + column[(place + 1) * width :]
