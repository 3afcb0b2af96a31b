"""What visitors took after lists were ranked for them, and where two versions had it in their orders."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from presage_featurizer import MICROS, EventType
from presage_featurizer.event_log import Exposure
from presage_featurizer.ranking.assembling import digest_number
from presage_featurizer.state import SESSION_IDLE_MICROS
from presage_training.errors import VerdictError
from presage_training.ranking.answers import shows_interest
from presage_training.readers.formats.archive import ArchivedEvent
from presage_training.verdicts.lists.rows import PairedLists

__all__ = ["DEFAULT_TARGETS", "ListTarget", "find_list_outcomes", "parse_list_target"]

_MINUTE_MICROS: Final = 60 * MICROS
_MAX_MINUTES: Final = 60 * 24 * 365
_time_of = itemgetter(0)
DEFAULT_TARGETS: Final[Mapping[str, str]] = {"next-order": "bought-within:1440"}
"""What lists are judged by, by the question that a model answers; ``taken-within:60`` for the others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListTarget:
    """What counts as taken, and for how long after the list.

    Raises:
        VerdictError: The minutes are out of their range.
    """

    kind: Literal["taken", "bought"] = "taken"
    """``taken``: the visitor selected, viewed or bought the item, or put it into the cart; ``bought``: the visitor bought it."""
    minutes: int = 60

    def __post_init__(self) -> None:
        if not 1 <= self.minutes <= _MAX_MINUTES:
            raise VerdictError(f"target: expected 1 to {_MAX_MINUTES:,} minutes, got {self.minutes}")

    @property
    def name(self) -> str:
        """The target as ``parse_list_target`` reads it."""
        return f"{self.kind}-within:{self.minutes}"


def parse_list_target(text: str) -> ListTarget:
    """Read what lists are judged by, such as ``taken-within:60``.

    Raises:
        VerdictError: It is not a valid target.
    """
    kind, colon, minutes = text.partition("-within:")
    if colon and minutes.isdecimal() and minutes.isascii():
        if kind == "taken":
            return ListTarget(kind="taken", minutes=int(minutes))
        if kind == "bought":
            return ListTarget(kind="bought", minutes=int(minutes))
    raise VerdictError(
        f"target: expected taken-within:MINUTES or bought-within:MINUTES of a ranking model, got {text!r}"
    )


@dataclass(frozen=True, slots=True)
class _List:
    """What is kept of an exposure, in a few hundred bytes: there may be millions of them."""

    unix_micros: int
    version: str
    arm: int
    propensity: float
    first_a: bytes
    """The numbers of the digests of the first k items in A's order, uint64."""
    first_b: bytes
    shown: bytes
    """Those of the items that were returned."""


@dataclass(slots=True)
class _Visitor:
    lists: list[_List] = field(default_factory=list)
    taken: list[tuple[int, frozenset[int]]] = field(default_factory=list)
    """When the visitor took items, and which; once all are there, in the order of time."""
    purchases: list[int] = field(default_factory=list)
    """When the visitor bought something."""


@dataclass(frozen=True, slots=True)
class _Session:
    number: int
    """Of the visitor."""
    matured_unix_micros: int
    lists: Sequence[_List]
    visitor: _Visitor


def find_list_outcomes(
    events: Iterable[ArchivedEvent],
    exposures: Iterable[Exposure],
    *,
    model: str,
    versions: tuple[str, str],
    target: ListTarget,
    k: int,
) -> PairedLists:
    """Find what visitors took of lists that both versions have scored.

    Lists of a visitor belong to one session while they are less than half an hour apart. It counts once its outcome is known, with
    the lists of the version that ranked the first one.

    Args:
        events: The archived events.
        exposures: Read first; of each that both versions have scored, the first k of both orders are kept in memory.
        model: The model's name.
        versions: The two versions, A and B.
        target: What counts as taken.
        k: How many places of each order count.
    """
    visitors = _visitors(exposures, model, versions, k)
    end = 0
    for archived in events:
        event = archived.event
        end = max(end, event.event_time_unix_micros)
        visitor = visitors.get(event.user_id)
        if visitor is None:
            continue
        is_purchase = event.type == EventType.PURCHASE
        if is_purchase:  # whatever was bought
            visitor.purchases.append(event.event_time_unix_micros)
        if is_purchase or (target.kind == "taken" and (event.type == EventType.SELECT_ITEM or shows_interest(event))):
            numbers = frozenset(digest_number(item.item_id) for item in event.items)
            visitor.taken.append((event.event_time_unix_micros, numbers))
    for visitor in visitors.values():
        visitor.taken.sort(key=_time_of)
    sessions = [
        session for number, visitor in enumerate(visitors.values()) for session in _sessions(number, visitor, target)
    ]
    known = [session for session in sessions if session.matured_unix_micros < end]
    known.sort(key=lambda session: (session.matured_unix_micros, session.number))
    rows = [_row(session, target.minutes * _MINUTE_MICROS) for session in known]
    columns = np.array([row[:5] for row in rows], np.float64).reshape(-1, 5).T
    flags = np.array([row[5:] for row in rows], np.bool_).reshape(-1, 3).T
    first = [session.lists[0] for session in known]
    return PairedLists(
        names=(f"{model}/{versions[0]}", f"{model}/{versions[1]}"),
        target=target.name,
        k=k,
        users=np.array([session.number for session in known], np.int64),
        ndcg_a=columns[0],
        ndcg_b=columns[1],
        reciprocal_rank_a=columns[2],
        reciprocal_rank_b=columns[3],
        overlap=columns[4],
        found=flags[0],
        took=flags[1],
        purchased=flags[2],
        arms=np.array([shown.arm for shown in first], np.int8),
        propensities=np.array([shown.propensity for shown in first], np.float64),
        served_a=np.array([shown.version == versions[0] for shown in first], np.bool_),
        served_b=np.array([shown.version == versions[1] for shown in first], np.bool_),
        lists=sum(len(session.lists) for session in known),
        waiting=len(sessions) - len(known),
    )


def _visitors(
    exposures: Iterable[Exposure], model: str, versions: tuple[str, str], k: int
) -> defaultdict[str, _Visitor]:
    visitors: defaultdict[str, _Visitor] = defaultdict(_Visitor)
    for exposure in exposures:
        if exposure.model != model or exposure.model_version not in versions:
            continue
        scores = {exposure.model_version: exposure.scores, **dict(exposure.others)}
        if not scores.keys() >= set(versions):
            continue
        # Neither version could have shown a blocked item.
        may_be_shown = np.frombuffer(exposure.blocked, np.uint8) == 0
        digests = exposure.digests
        first_a, first_b = (_first(scores[version], digests, may_be_shown, k) for version in versions)
        visitors[exposure.user_id].lists.append(
            _List(
                exposure.as_of_unix_micros,
                exposure.model_version,
                exposure.arm,
                exposure.arm_propensity,
                first_a,
                first_b,
                digests[exposure.order].tobytes(),
            )
        )
    return visitors


def _first(scores: bytes, digests: NDArray[np.uint64], may_be_shown: NDArray[np.bool_], k: int) -> bytes:
    """Return the first k items in the order of a version, as it would have been served."""
    values = np.frombuffer(scores, "<f8")[may_be_shown]
    digests = digests[may_be_shown]
    return digests[np.lexsort((digests, -values))[:k]].tobytes()


def _numbers(kept: bytes) -> list[int]:
    numbers: list[int] = np.frombuffer(kept, np.uint64).tolist()
    return numbers


def _sessions(number: int, visitor: _Visitor, target: ListTarget) -> Iterator[_Session]:
    waits_micros = max(target.minutes * _MINUTE_MICROS, SESSION_IDLE_MICROS)
    lists = sorted(visitor.lists, key=lambda shown: shown.unix_micros)
    start = 0
    for place, shown in enumerate(lists, 1):
        if place < len(lists) and lists[place].unix_micros - shown.unix_micros < SESSION_IDLE_MICROS:
            continue
        same = [each for each in lists[start:place] if each.version == lists[start].version]
        yield _Session(number, shown.unix_micros + waits_micros, same, visitor)
        start = place


def _row(session: _Session, window_micros: int) -> tuple[float | bool, ...]:
    """Measure a session: the columns of ``PairedLists`` from ``ndcg_a`` to ``overlap``, and from ``found`` to ``purchased``."""
    visitor, sums, found, took = session.visitor, np.zeros(5), False, False
    for shown in session.lists:
        begin, end = shown.unix_micros, shown.unix_micros + window_micros
        first, last = (bisect_right(visitor.taken, time, key=_time_of) for time in (begin, end))
        taken = frozenset[int]().union(*(numbers for _, numbers in visitor.taken[first:last]))
        first_a, first_b = _numbers(shown.first_a), _numbers(shown.first_b)
        count = len(taken.intersection({*first_a, *first_b}))
        ndcg_a, rank_a = _measure(first_a, taken, count)
        ndcg_b, rank_b = _measure(first_b, taken, count)
        sums += (ndcg_a, ndcg_b, rank_a, rank_b, len({*first_a}.intersection(first_b)) / max(1, len(first_a)))
        found = found or count > 0
        took = took or not taken.isdisjoint(_numbers(shown.shown))
    begin, end = session.lists[0].unix_micros, session.lists[-1].unix_micros + window_micros
    purchased = any(begin < time <= end for time in visitor.purchases)
    return (*(sums / len(session.lists)).tolist(), found, took, purchased)


def _measure(order: Sequence[int], taken: frozenset[int], count: int) -> tuple[float, float]:
    """Return the NDCG of an order, and 1 / the place of the first item taken; ``count`` of them could be found."""
    places = [place for place, number in enumerate(order) if number in taken]
    if not places:
        return 0.0, 0.0
    discounts = 1.0 / np.log2(np.arange(2, len(order) + 2))
    return float(discounts[places].sum() / discounts[:count].sum()), 1.0 / (places[0] + 1)
