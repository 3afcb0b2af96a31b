"""Which items a visitor was interested in: the items of their sessions in order, and the strongest of all time.

Item ids are kept as digests. Scores decay with a half-life, but are stored as if they grew with it: a weight is multiplied by the
growth at its event's time, and the sum is divided by the growth at the moment of reading. So no score changes while time passes,
and the order of two items is the same at every moment ("forward decay", Cormode et al., 2009).
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from math import ldexp
from struct import Struct
from typing import NamedTuple

from presage_featurizer.digests import WIDTH, product_digest
from presage_featurizer.events import MICROS, Event, EventType
from presage_featurizer.habits import EVENT_WEIGHTS
from presage_featurizer.state import (
    ALL_PARTS,
    MAX_HISTORY_ITEMS,
    MAX_SESSION_ITEMS,
    Interest,
    ItemHistory,
    Session,
    State,
    StatePart,
)

__all__ = [
    "HISTORY_HALF_LIFE_MICROS",
    "HISTORY_TIME_SECONDS",
    "SessionItems",
    "fold_items",
    "growth_factor",
    "history_of_interests",
    "history_scores",
    "history_times",
    "move_items_back",
    "newest_item_score",
    "newest_session_items",
    "session_items",
]

HISTORY_HALF_LIFE_MICROS = 60 * 86_400 * MICROS
"""An item's score halves in this time."""

HISTORY_TIME_SECONDS = 256
"""The resolution of the times in a history."""

_LANDMARK_MICROS = 2_524_608_000 * MICROS  # 2050-01-01, so that neither 1970 nor 2200 leaves the range of a double
_MAX_DOUBLINGS = 960
_MAX_SCORE = 1e300
"""Of a moment centuries before the event; it is finite."""
_DOUBLE = Struct("<d")
_NUMBER = Struct("<Q")
assert _NUMBER.size == WIDTH
_SCORE_BYTES = 4
_TIME_BYTES = 3
_GROUP = Struct("<BBI")
"""Behind the digests of items of one event: its type, how many items they are, its time in seconds since 1970-01-01 UTC."""
_LAST_OF_GROUP = Struct("<QBBI")
"""The number of the last of these digests, and what is behind it."""
_MAX_SECONDS = 0xFFFF_FFFF
_MAX_COUNT = 0xFF
_PURCHASE = EventType.PURCHASE


class SessionItems(NamedTuple):
    """Some of a session's items that one event had."""

    digests: bytes
    """Digests of their ids, in the event's order."""
    kind: int
    """The number of the event's type."""
    unix_seconds: int


def session_items(items: bytes) -> list[SessionItems]:
    """Read a session's items, the oldest event first; of bytes that are none, what can be read of their end."""
    groups = []
    end = len(items)
    while end >= _GROUP.size:
        kind, count, seconds = _GROUP.unpack_from(items, end - _GROUP.size)
        start = end - _GROUP.size - count * WIDTH
        if start < 0:
            break
        groups.append(SessionItems(items[start : end - _GROUP.size], kind, seconds))
        end = start
    groups.reverse()
    return groups


def newest_session_items(items: bytes) -> tuple[list[int], list[int]]:
    """Read a session's items, the newest first: the numbers of their digests, and the seconds of their events.

    Of bytes that are none, what can be read of their end.
    """
    numbers: list[int] = []
    times: list[int] = []
    end = len(items)
    while end >= _LAST_OF_GROUP.size:
        end -= _LAST_OF_GROUP.size
        number, _, count, seconds = _LAST_OF_GROUP.unpack_from(items, end)
        if end < (count - 1) * WIDTH:
            break
        numbers.append(number)
        times.append(seconds)
        for _ in range(1, count):
            end -= WIDTH
            numbers.append(_NUMBER.unpack_from(items, end)[0])
            times.append(seconds)
    return numbers, times


def history_scores(history: ItemHistory) -> array[float]:
    """Read the scores of a history, each times its growth factor; what is stored is the upper half of each number."""
    halves = array("I", bytes(2 * len(history.scores)))
    halves[1::2] = array("I", history.scores)
    return array("d", halves.tobytes())


def history_times(history: ItemHistory) -> list[int]:
    """Read the times of a history's items, in seconds since 1970-01-01 UTC, rounded down to HISTORY_TIME_SECONDS."""
    times = history.times
    return [
        int.from_bytes(times[at : at + _TIME_BYTES], "little") * HISTORY_TIME_SECONDS
        for at in range(0, len(times), _TIME_BYTES)
    ]


def newest_item_score(history: ItemHistory, now_unix_micros: int) -> float:
    """Return the score of the item of the newest event, the highest if it had several; 0 without any."""
    times = history_times(history)
    if not times:
        return 0.0
    newest = max(times)
    scores = history_scores(history)
    score = max([score for score, time in zip(scores, times, strict=True) if time == newest])
    return min(score / growth_factor(now_unix_micros), _MAX_SCORE)


def growth_factor(unix_micros: int) -> float:
    """Return how much more an event at that moment weighs than one at the landmark, 2050-01-01.

    Doubles with each half-life, with straight lines in between, which every machine computes to the same bit. Events after the year
    2207 weigh the same.
    """
    doublings, rest = divmod(unix_micros - _LANDMARK_MICROS, HISTORY_HALF_LIFE_MICROS)
    if doublings >= _MAX_DOUBLINGS:
        return ldexp(1.0, _MAX_DOUBLINGS)
    return ldexp(1.0 + rest / HISTORY_HALF_LIFE_MICROS, doublings)


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
        digests = b"".join([product_digest(item.item_id) for item in event.items[-MAX_SESSION_ITEMS:]])
        session.items = _with_items(session.items, SessionItems(digests, int(event.type), seconds))


def _with_items(items: bytes, added: SessionItems) -> bytes:
    """Return a session's items with those of an event; a late event's come before those of later ones."""
    groups = session_items(items)
    place = len(groups)
    while place and groups[place - 1].unix_seconds > added.unix_seconds:
        place -= 1
    if place and groups[place - 1][1:] == added[1:]:
        groups[place - 1] = added._replace(digests=groups[place - 1].digests + added.digests)
    else:
        groups.insert(place, added)
    return _encode_newest(groups)


def _encode_newest(groups: list[SessionItems]) -> bytes:
    """Encode the last MAX_SESSION_ITEMS items."""
    room = MAX_SESSION_ITEMS * WIDTH
    parts: list[bytes] = []
    for digests, kind, seconds in reversed(groups):
        kept = digests[-room:]
        parts.append(kept + _GROUP.pack(kind, len(kept) // WIDTH, seconds))
        room -= len(kept)
        if not room:
            break
    return b"".join(reversed(parts))


def _fold_history(history: ItemHistory, event: Event, weight: float, seconds: int) -> None:
    gain = weight * growth_factor(event.event_time_unix_micros)
    time = _encode_time(seconds)
    is_purchase = event.type == _PURCHASE
    for item in event.items[:MAX_HISTORY_ITEMS]:
        digest = product_digest(item.item_id)
        place = _find(history.digests, digest)
        if place >= 0:
            _add(history, place, gain, time, is_purchase=is_purchase)
        elif gain > 0.0:
            if len(history.digests) >= MAX_HISTORY_ITEMS * WIDTH:
                _drop_lowest(history)
            history.digests += digest
            history.scores += _encode_score(gain)
            history.times += time
            history.counts += b"\1\0" if is_purchase else b"\0\1"


def history_of_interests(interests: Mapping[bytes, Interest]) -> ItemHistory:
    """Make a history of the interests in items that states before version 5 have, by digest; they do not tell purchases apart."""
    kept = [(digest, interest) for digest, interest in interests.items() if interest.score > 0.0]
    return ItemHistory(
        b"".join([digest for digest, _ in kept]),
        b"".join([_encode_score(known.score * growth_factor(known.last_unix_micros)) for _, known in kept]),
        b"".join([_encode_time(known.last_unix_micros // MICROS) for _, known in kept]),
        b"".join([bytes((0, min(known.count, _MAX_COUNT))) for _, known in kept]),
    )


def move_items_back(state: State, clock_unix_micros: int) -> None:
    """Set the times of items that are later than the clock to the clock, and scale their scores likewise; see ``wrong_clock``."""
    clock = min(clock_unix_micros // MICROS, _MAX_SECONDS)
    for session in state.sessions:
        groups = session_items(session.items)
        session.items = _encode_newest(
            [group._replace(unix_seconds=min(group.unix_seconds, clock)) for group in groups]
        )
    history = state.items
    scores, times = history_scores(history), history_times(history)
    for place, seconds in enumerate(times):
        if seconds > clock:
            scores[place] *= growth_factor(clock * MICROS) / growth_factor(seconds * MICROS)
            times[place] = clock
    history.scores = b"".join(map(_encode_score, scores))
    history.times = b"".join(map(_encode_time, times))


def _encode_score(score: float) -> bytes:
    """Keep the upper half of a number: six digits, which is enough for the sum of a few hundred weights."""
    return _DOUBLE.pack(score)[_SCORE_BYTES:]


def _encode_time(unix_seconds: int) -> bytes:
    return (min(unix_seconds, _MAX_SECONDS) // HISTORY_TIME_SECONDS).to_bytes(_TIME_BYTES, "little")


def _find(digests: bytes, digest: bytes) -> int:
    """Return the place of a digest, or -1."""
    found = digests.find(digest)
    while found > 0 and found % WIDTH:  # a match that spans two digests
        found = digests.find(digest, found + 1)
    return found // WIDTH


def _add(history: ItemHistory, place: int, gain: float, time: bytes, *, is_purchase: bool) -> None:
    at = place * _SCORE_BYTES
    scores = history.scores
    score = max(0.0, _DOUBLE.unpack(bytes(_SCORE_BYTES) + scores[at : at + _SCORE_BYTES])[0] + gain)
    history.scores = scores[:at] + _encode_score(score) + scores[at + _SCORE_BYTES :]
    at = place * _TIME_BYTES
    times = history.times
    if time[::-1] > times[at : at + _TIME_BYTES][::-1]:  # the most significant byte first
        history.times = times[:at] + time + times[at + _TIME_BYTES :]
    at = 2 * place + (0 if is_purchase else 1)
    counts = history.counts
    if counts[at] < _MAX_COUNT:
        history.counts = counts[:at] + bytes((counts[at] + 1,)) + counts[at + 1 :]


def _drop_lowest(history: ItemHistory) -> None:
    """Drop the item with the lowest score; of equal ones, that which has been known for longest."""
    scores = array("I", history.scores)  # the halves of positive numbers are in the order of the numbers
    place = scores.index(min(scores))
    history.digests = _without(history.digests, place, WIDTH)
    history.scores = _without(history.scores, place, _SCORE_BYTES)
    history.times = _without(history.times, place, _TIME_BYTES)
    history.counts = _without(history.counts, place, 2)


def _without(column: bytes, place: int, width: int) -> bytes:
    return column[: place * width] + column[(place + 1) * width :]
