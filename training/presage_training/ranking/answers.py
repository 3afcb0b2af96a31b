"""What visitors of a log did next, in one pass: the questions that the log can answer, and their answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from presage_featurizer import Event, EventType
from presage_featurizer.digests import digest
from presage_featurizer.habits import EVENT_WEIGHTS
from presage_featurizer.ranking.assembling import digest_number
from presage_featurizer.state import SESSION_IDLE_MICROS

__all__ = ["QUESTIONS", "Answer", "Question", "Survey", "shows_interest", "survey"]

Question = Literal["next-item", "next-order", "shown-list"]
QUESTIONS: Final[tuple[Question, ...]] = get_args(Question)
"""``next-item``: after each event with an item, the next other item of the session. ``next-order``: right before each order of a
known visitor, its items. ``shown-list``: when a list is shown, those of its items that the visitor then goes on to."""

_MAX_ANSWERS = 200_000
_MAX_OPEN_SESSIONS = 50_000
_MAX_LISTS = 5
"""Lists of a visitor that an event may still belong to."""
_MAX_TIMES = 100_000


@dataclass(frozen=True, slots=True)
class Answer:
    """A question that was answered."""

    place: int
    """The event's place in the log, from 0, in the order of time."""
    unix_micros: int
    draw: int
    """A number that only the visitor determines: those with the lowest are a sample of visitors."""
    targets: tuple[int, ...]
    """The numbers of the items taken, each once."""


class _Answers:
    """The answers to one question: all of them, or those of a sample of visitors."""

    def __init__(self) -> None:
        self.kept: list[Answer] = []
        self.count = 0
        self.highest_draw = 2**64
        """Visitors with a draw of at least this were left out."""

    def add(self, answer: Answer) -> None:
        self.count += 1
        if answer.draw < self.highest_draw:
            self.kept.append(answer)
            if len(self.kept) > _MAX_ANSWERS:
                self.highest_draw //= 2
                self.kept = [kept for kept in self.kept if kept.draw < self.highest_draw]


@dataclass(slots=True)
class Survey:
    """What a log has for ranking."""

    events: int = 0
    item_events: int = 0
    """Events that show interest in items."""
    purchases: int = 0
    """Purchases among them."""
    lists: int = 0
    """Events that showed a list of at least two items."""
    visitors: int = 0
    first_unix_micros: int = 0
    last_unix_micros: int = 0
    times: list[int] = field(default_factory=list)
    """Times of an even sample of the events with items, in their order."""
    counts: dict[Question, int] = field(default_factory=dict)
    """How often each question was answered."""
    answers: dict[Question, list[Answer]] = field(default_factory=dict)
    """The answers in the order of the log, where there are very many those of a sample of visitors."""


class _SessionItem:
    """The item that a visitor looks at, and the events that wait for the next one."""

    __slots__ = ("last_unix_micros", "number", "waiting")

    def __init__(self, number: int, unix_micros: int) -> None:
        self.number = number
        self.last_unix_micros = unix_micros
        self.waiting: list[tuple[int, int]] = []


class _NextItems:
    def __init__(self, add: Callable[[Answer], None]) -> None:
        self._add = add
        self._sessions: dict[tuple[str, str], _SessionItem] = {}

    def read(self, place: int, event: Event, draw: int) -> None:
        now, key = event.event_time_unix_micros, (event.user_id, event.session_id)
        number = digest_number(event.items[-1].item_id)
        session = self._sessions.get(key)
        if session is None or now - session.last_unix_micros > SESSION_IDLE_MICROS:
            if len(self._sessions) >= _MAX_OPEN_SESSIONS:
                self._forget(now)
            session = self._sessions[key] = _SessionItem(number, now)
        elif session.number != number:
            for waiting, time in session.waiting:
                self._add(Answer(waiting, time, draw, (number,)))
            session.number, session.waiting = number, []
        session.last_unix_micros = now
        session.waiting.append((place, now))

    def _forget(self, now: int) -> None:
        self._sessions = {
            key: session
            for key, session in self._sessions.items()
            if now - session.last_unix_micros <= SESSION_IDLE_MICROS
        }


class _NextOrders:
    def __init__(self, add: Callable[[Answer], None]) -> None:
        self._add = add
        self._open: dict[str, tuple[str, Answer | None]] = {}
        """The newest order of each visitor, which purchases with its id add to; None if it was the first thing they did."""

    def read(self, place: int, event: Event, draw: int) -> None:
        is_known = event.user_id in self._open
        order_id, answer = self._open.get(event.user_id, ("", None))
        if event.type != EventType.PURCHASE:
            if not is_known:
                self._open[event.user_id] = "", None
            return
        numbers = tuple(dict.fromkeys(digest_number(item.item_id) for item in event.items))
        if event.order_id and event.order_id == order_id:
            if answer is not None:
                numbers = tuple(dict.fromkeys((*answer.targets, *numbers)))
                self._open[event.user_id] = order_id, Answer(answer.place, answer.unix_micros, draw, numbers)
            return
        if answer is not None:
            self._add(answer)
        asked = Answer(place, event.event_time_unix_micros, draw, numbers) if is_known else None
        self._open[event.user_id] = event.order_id, asked

    def finish(self) -> None:
        for _, answer in self._open.values():
            if answer is not None:
                self._add(answer)
        self._open = {}


@dataclass(slots=True)
class _ShownList:
    place: int
    unix_micros: int
    draw: int
    rank_ids: frozenset[str]
    numbers: frozenset[int]
    taken: dict[int, None] = field(default_factory=dict)


class _ShownLists:
    def __init__(self, add: Callable[[Answer], None]) -> None:
        self._add = add
        self._lists: dict[str, list[_ShownList]] = {}
        self.count = 0

    def read(self, place: int, event: Event, draw: int) -> None:
        now = event.event_time_unix_micros
        lists = self._lists.get(event.user_id, [])
        if lists and now - lists[-1].unix_micros > SESSION_IDLE_MICROS:
            self._close(lists, 0)
            lists = []
        if event.type == EventType.VIEW_ITEM_LIST:
            numbers = frozenset(digest_number(item.item_id) for item in event.items)
            if len(numbers) > 1:
                self.count += 1
                rank_ids = frozenset(item.shown.rank_id for item in event.items if item.shown and item.shown.rank_id)
                lists.append(_ShownList(place, now, draw, rank_ids, numbers))
                self._close(lists, _MAX_LISTS)
                if len(self._lists) >= _MAX_OPEN_SESSIONS:
                    self._forget(now)
                self._lists[event.user_id] = lists
            return
        for item in event.items if event.type == EventType.SELECT_ITEM or shows_interest(event) else ():
            number = digest_number(item.item_id)
            rank_id = item.shown.rank_id if item.shown else ""
            for shown in reversed(lists):
                if number in shown.numbers and (not rank_id or rank_id in shown.rank_ids):
                    shown.taken[number] = None
                    break

    def finish(self) -> None:
        for lists in self._lists.values():
            self._close(lists, 0)

    def _close(self, lists: list[_ShownList], keep: int) -> None:
        while len(lists) > keep:
            shown = lists.pop(0)
            if shown.taken:
                self._add(Answer(shown.place, shown.unix_micros, shown.draw, tuple(shown.taken)))

    def _forget(self, now: int) -> None:
        over = [
            user_id
            for user_id, lists in self._lists.items()
            if not lists or now - lists[-1].unix_micros > SESSION_IDLE_MICROS
        ]
        for user_id in over:
            self._close(self._lists.pop(user_id), 0)


class _Reader:
    """Reads a log for some questions."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.answers = {question: _Answers() for question in questions}
        add = {question: answers.add for question, answers in self.answers.items()}
        self._items = _NextItems(add["next-item"]) if "next-item" in add else None
        self._orders = _NextOrders(add["next-order"]) if "next-order" in add else None
        self._lists = _ShownLists(add["shown-list"]) if "shown-list" in add else None

    def read(self, place: int, event: Event, draw: int, *, is_interest: bool) -> None:
        if is_interest and self._items:
            self._items.read(place, event, draw)
        if is_interest and self._orders:
            self._orders.read(place, event, draw)
        if self._lists:
            self._lists.read(place, event, draw)

    def finish(self) -> int:
        """Note the last answers; returns how many lists were shown."""
        if self._orders:
            self._orders.finish()
        if not self._lists:
            return 0
        self._lists.finish()
        return self._lists.count


def survey(events: Iterable[Event], questions: Sequence[Question] = QUESTIONS) -> Survey:
    """Read a log once, in memory that does not grow with it but for some bytes for each visitor.

    Args:
        events: In the order of time.
        questions: Which of them to answer.
    """
    found, reader = Survey(), _Reader(questions)
    draws: dict[str, int] = {}
    stride = 1
    for place, event in enumerate(events):
        found.events += 1
        found.last_unix_micros = event.event_time_unix_micros
        if not place:
            found.first_unix_micros = event.event_time_unix_micros
        draw = draws.get(event.user_id)
        if draw is None:
            draw = draws[event.user_id] = _visitor_draw(event.user_id)
        if not event.items:
            continue
        is_interest = shows_interest(event)
        reader.read(place, event, draw, is_interest=is_interest)
        if is_interest:
            if found.item_events % stride == 0:
                found.times.append(event.event_time_unix_micros)
                if len(found.times) >= _MAX_TIMES:
                    found.times, stride = found.times[::2], stride * 2
            found.item_events += 1
            found.purchases += event.type == EventType.PURCHASE
    found.lists = reader.finish()
    for question, answers in reader.answers.items():
        found.counts[question] = answers.count
        found.answers[question] = sorted(answers.kept, key=lambda answer: answer.place)
    found.visitors = len(draws)
    return found


def _visitor_draw(user_id: str) -> int:
    """Return a number below 2**64 that is as good as random, and the same for a visitor in every run."""
    return int.from_bytes(digest(user_id), "little")


def shows_interest(event: Event) -> bool:
    """Return whether an event shows interest in its items."""
    return EVENT_WEIGHTS.get(event.type, 0.0) > 0.0
