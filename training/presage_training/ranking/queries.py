"""Questions that a log answers: which items a visitor took next, asked at a moment with what was known by then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from presage_featurizer import VISITOR, Event, EventType, State, current_session
from presage_featurizer.digests import product_digest
from presage_featurizer.habits import EVENT_WEIGHTS
from presage_featurizer.ranking.context import RankingContext
from presage_featurizer.ranking.intent import session_intent
from presage_featurizer.ranking.interests import Interests
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items import UNKNOWN, ItemColumns
from presage_featurizer.ranking.items_replay import ItemReplay
from presage_featurizer.ranking.pairs import pair_features
from presage_featurizer.ranking.retrieval import RetrievalLimits, retrieve
from presage_featurizer.ranking.scores import Workspace
from presage_featurizer.ranking.tables import RankingTables
from presage_training.ranking.baselines import NearestVisitors

__all__ = ["Period", "Query", "Question", "Ranker", "queries"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Question = Literal["next-order", "next-item"]
"""``next-order``: right before each order of a known visitor, its items. ``next-item``: after each event of a session that changes
the item, the next other item of the session."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question with its answer, and the candidates with their features."""

    visitor: int
    """The visitor's number."""
    unix_micros: int
    rows: Rows
    """Column rows of the candidates."""
    features: NDArray[np.float32]
    targets: Rows
    """Column rows of the items taken; those new to the log are missing."""
    target_count: int
    """How many were taken, new ones included."""
    known: Rows
    """Column rows of the items that the visitor took before."""
    users: Floats
    """The candidates' scores by user-kNN, a baseline that no table can give."""


@dataclass(frozen=True, slots=True)
class _Asked:
    visitor: int
    known: set[int]
    """Numbers of the digests of the items that the visitor took before."""
    without: Sequence[int] = ()
    """Those that are no candidates."""


@dataclass(frozen=True, slots=True)
class Period:
    """Tables, and from when on they are used."""

    from_unix_micros: int
    tables: RankingTables
    nearest_visitors: NearestVisitors


class Ranker:
    """Items, tables and memory: what a visitor's candidates and features are computed from."""

    def __init__(self, items: ItemColumns, limits: RetrievalLimits | None = None) -> None:
        self.items = items
        self.period: Period | None = None
        self._features = ItemFeatures(items)
        self._epoch = items.epoch
        self._tables: RankingTables | None = None
        self._workspace = Workspace()
        self._limits = limits or RetrievalLimits()

    def use(self, period: Period) -> None:
        """Use these tables from now on."""
        self.period, self._tables = period, None

    @property
    def tables(self) -> RankingTables:
        """The tables, bound to all items that are known by now."""
        assert self.period is not None
        if self._tables is None:
            self._tables = self.period.tables.bound(self.items)
        elif self._tables.bound_items < len(self.items):
            self._tables = self._tables.bound(self.items)
        return self._tables

    def context(self, state: State | None, session_id: str, now_unix_micros: int) -> RankingContext:
        """Gather what is known of a visitor at a moment."""
        session = None if state is None else current_session(state, now_unix_micros, session_id)
        if self._epoch != self.items.epoch:
            self._features.refresh()
            self._epoch = self.items.epoch
        interests = Interests(state, session, self._features, now_unix_micros)
        return RankingContext(
            interests,
            self._features,
            self.tables,
            now_unix_micros,
            workspace=self._workspace,
            intent=session_intent(session, interests, self._features),
        )

    def candidates(self, context: RankingContext, without: Rows) -> Rows:
        """Retrieve candidates, except some."""
        rows = retrieve(context, self._limits).rows
        return rows[~np.isin(rows, without)]


def queries(events: Sequence[Event], question: Question, ranker: Ranker, periods: Sequence[Period]) -> Iterator[Query]:
    """Replay a log and ask at each moment from the first period on.

    Args:
        events: In the order of the log.
        question: What is asked.
        ranker: Its items must be empty.
        periods: In the order of time.
    """
    waiting = list(periods)
    answers = _answers(events, question)
    visitors: dict[str, int] = {}
    states: dict[str, State] = {}
    known: dict[str, set[int]] = {}
    replay = ItemReplay(ranker.items)
    for place, (event, answer) in enumerate(zip(events, answers, strict=True)):
        now = event.event_time_unix_micros
        replay.close_before(now)
        while waiting and now >= waiting[0].from_unix_micros:
            ranker.use(waiting.pop(0))
        user_id = event.user_id
        visitor = visitors.setdefault(user_id, len(visitors))
        is_asked = answer is not None and ranker.period is not None
        if question == "next-order" and is_asked and user_id in states:
            yield _query(ranker, states[user_id], event, answer or (), _Asked(visitor, known[user_id]))
        states[user_id] = VISITOR.fold(states.get(user_id), event)
        replay.add(event, now, place)
        shown = [_number(item.item_id) for item in event.items] if EVENT_WEIGHTS.get(event.type, 0.0) > 0.0 else []
        if question == "next-item" and is_asked:
            asked = _Asked(visitor, known.get(user_id, set()), shown)
            yield _query(ranker, states[user_id], event, answer or (), asked)
        known.setdefault(user_id, set()).update(shown)


def _query(ranker: Ranker, state: State, event: Event, answer: Sequence[int], asked: _Asked) -> Query:
    items, now = ranker.items, event.event_time_unix_micros
    assert ranker.period is not None
    context = ranker.context(state, event.session_id, now)
    rows = ranker.candidates(context, items.rows_of(asked.without))
    targets = items.rows_of(answer)
    own = context.tables.table_rows_of[context.interests.history]  # UNKNOWN for UNKNOWN
    users = ranker.period.nearest_visitors.scores(own[own != UNKNOWN])
    return Query(
        asked.visitor,
        now,
        rows,
        pair_features(rows, context),
        targets[targets != UNKNOWN],
        len(answer),
        items.rows_of(asked.known),
        np.append(users, 0.0)[context.tables.table_rows_of[rows]],  # the last one: not in the tables
    )


def _answers(events: Sequence[Event], question: Question) -> list[tuple[int, ...] | None]:
    """The numbers of the digests of the items taken next, for each event that is asked at."""
    answers: list[tuple[int, ...] | None] = [None] * len(events)
    if question == "next-order":
        for place, event in enumerate(events):
            if event.type == EventType.PURCHASE and event.items:
                answers[place] = tuple(dict.fromkeys(_number(item.item_id) for item in event.items))
        return answers
    following: dict[tuple[str, str], tuple[int, tuple[int, ...] | None]] = {}
    for place in range(len(events) - 1, -1, -1):
        event = events[place]
        if EVENT_WEIGHTS.get(event.type, 0.0) <= 0.0 or not event.items:
            continue
        item = _number(event.items[-1].item_id)
        key = event.user_id, event.session_id
        after = following.get(key)
        other = None if after is None else after[1] if after[0] == item else (after[0],)
        answers[place] = other
        following[key] = item, other
    return answers


def _number(item_id: str) -> int:
    return int.from_bytes(product_digest(item_id), "little")
