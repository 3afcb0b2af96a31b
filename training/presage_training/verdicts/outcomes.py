"""Outcomes: what visitors did after they were scored, found by replaying the event log through the fold that served them.

The labels are those that the targets of training define (``datasets/targets.py``), with one difference: a session's rows count only
when it has ended, also if it has a purchase. Otherwise purchases would be known earlier than their absence, and an interval
computed in between would contain too many of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from presage_featurizer import MICROS, NO_AGGREGATES, Event, EventType, State, current_session
from presage_featurizer.digests import contains, digest
from presage_featurizer.event_log import ServedVector
from presage_featurizer.fold import begin, fold_into, remember
from presage_featurizer.state import Session
from presage_training.datasets.targets import PurchaseInSession, PurchaseWithin, RevenueWithin, Target
from presage_training.errors import VerdictError
from presage_training.readers.formats.archive import ArchivedEvent

__all__ = ["Outcome", "Outcomes", "find_outcomes"]

_MINUTE_MICROS = 60 * MICROS
_DAY_MICROS = 24 * 60 * _MINUTE_MICROS
_MONEY_MOVES = (EventType.PURCHASE, EventType.REFUND)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one scored visitor."""

    vector: ServedVector
    session: str
    """The same for all scores of one session of a visitor, or of one day of a visitor without any."""
    label: float
    matured_unix_micros: int
    """When it became known; later than the log's end: it is not known yet."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The outcomes of the scores that have one."""

    found: Sequence[Outcome]
    not_eligible: int
    """Scores for which the target is not defined."""
    unknown_event: int
    """Scores after an event that the log does not have."""
    log_end_unix_micros: int
    """The time of the log's newest event."""


@dataclass(slots=True, eq=False)
class _Visit:
    """A session that is or was open; ``Session`` itself is replaced by the fold when it begins again."""

    number: int
    session: Session
    purchase_position: int = -1
    """The position of its first purchase among the visitor's events; -1 without one."""


@dataclass(frozen=True, slots=True)
class _Money:
    position: int
    time_unix_micros: int
    money_micros: int
    is_purchase: bool


@dataclass(frozen=True, slots=True)
class _Point:
    """A score whose place in the visitor's history is known."""

    vector: ServedVector
    position: int
    """How many events of the visitor came before."""
    seen_unix_micros: int
    """The newest time that the features include."""
    visit: _Visit | None


@dataclass(slots=True)
class _Visitor:
    pending: dict[bytes, list[ServedVector]]
    """By the event that they were scored after."""
    state: State | None = None
    position: int = 0
    visits: list[_Visit] = field(default_factory=list)
    money: list[_Money] = field(default_factory=list)
    points: list[_Point] = field(default_factory=list)


def find_outcomes(events: Iterable[ArchivedEvent], vectors: Iterable[ServedVector], target: Target) -> Outcomes:
    """Find what came of scores.

    Args:
        events: The archived events, each visitor's in the order in which the servers applied them.
        vectors: The scored vectors; kept in memory, as are the states of their visitors.
        target: What the model predicts.

    Raises:
        VerdictError: The target is none that outcomes are known for.
    """
    visitors = _visitors(vectors)
    end = 0
    for archived in events:
        event = archived.event
        end = max(end, event.event_time_unix_micros)
        visitor = visitors.get(event.user_id)
        if visitor is not None:
            _fold(visitor, event, fresh=archived.fresh)
    found: list[Outcome] = []
    not_eligible = 0
    for visitor in visitors.values():
        for point in visitor.points:
            outcome = _outcome(visitor, point, target)
            if outcome is None:
                not_eligible += 1
            else:
                found.append(outcome)
    unknown = sum(len(vectors) for visitor in visitors.values() for vectors in visitor.pending.values())
    return Outcomes(found, not_eligible, unknown, end)


def _visitors(vectors: Iterable[ServedVector]) -> dict[str, _Visitor]:
    pending: defaultdict[str, dict[bytes, list[ServedVector]]] = defaultdict(dict)
    for vector in vectors:
        pending[vector.user_id].setdefault(vector.last_event, []).append(vector)
    visitors = {}
    for user_id, by_event in pending.items():
        cold = by_event.pop(b"", [])
        visitors[user_id] = _Visitor(by_event)
        visitors[user_id].points += [_Point(vector, 0, 0, None) for vector in cold]
    return visitors


def _fold(visitor: _Visitor, event: Event, *, fresh: bool) -> None:
    """Fold the visitor's next event, and place the scores that were made after it."""
    state = None if fresh else visitor.state
    if state is None:
        state = begin(event)
    visitor.state = state
    event_digest = digest(event.event_id)
    if contains(state.recent_events, event_digest):
        return
    remember(state, event_digest)
    orders, spent_micros = state.orders, state.spent_micros
    session = fold_into(state, event, aggregates=NO_AGGREGATES)
    visitor.position += 1
    visit = None if session is None else _visit_of(visitor, session)
    if event.type in _MONEY_MOVES:
        is_purchase = state.orders > orders
        money = state.spent_micros - spent_micros
        visitor.money.append(_Money(visitor.position, event.event_time_unix_micros, money, is_purchase))
        if is_purchase and visit is not None and visit.purchase_position < 0:
            visit.purchase_position = visitor.position
    for vector in visitor.pending.pop(event_digest, ()):
        current = current_session(state, vector.as_of_unix_micros, vector.session_id)
        visit = None if current is None else _visit_of(visitor, current)
        visitor.points.append(_Point(vector, visitor.position, state.last_seen_unix_micros, visit))


def _visit_of(visitor: _Visitor, session: Session) -> _Visit:
    """Find the visit that a session of the state belongs to: the fold changes a session in place while it is open."""
    for visit in reversed(visitor.visits):
        if visit.session is session:
            return visit
    visit = _Visit(len(visitor.visits), session)
    visitor.visits.append(visit)
    return visit


def _outcome(visitor: _Visitor, point: _Point, target: Target) -> Outcome | None:
    """Return what came of a score; None if the target is not defined for it."""
    vector, visit = point.vector, point.visit
    day = f"day {vector.as_of_unix_micros // _DAY_MICROS}"
    session = day if visit is None else f"session {visit.number}"
    if isinstance(target, PurchaseInSession):
        if visit is None or 0 <= visit.purchase_position <= point.position:
            return None
        known_at = visit.session.last_unix_micros + target.idle_minutes * _MINUTE_MICROS
        return Outcome(vector, session, float(visit.purchase_position > 0), known_at)
    if not isinstance(target, PurchaseWithin | RevenueWithin):
        raise VerdictError(f"target: expected one whose outcomes are in the event log, got {target.name}")
    until = vector.as_of_unix_micros + target.days * _DAY_MICROS
    later = [
        money
        for money in visitor.money
        if money.position > point.position and point.seen_unix_micros <= money.time_unix_micros <= until
    ]
    if isinstance(target, PurchaseWithin):
        label = float(any(money.is_purchase for money in later))
    else:
        label = sum(money.money_micros for money in later) / MICROS
    return Outcome(vector, session, label, until)
