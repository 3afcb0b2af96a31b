"""Questions that a log answers: which items a visitor took next, asked at a moment with what was known by then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from presage_featurizer import VISITOR, Event, EventType, State, current_session
from presage_featurizer.digests import product_digest
from presage_featurizer.habits import EVENT_WEIGHTS
from presage_featurizer.ranking.interests import Interests
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.pairs import pair_features
from presage_featurizer.ranking.retrieval import Candidates, RetrievalLimits, SourceScores, Workspace, retrieve
from presage_featurizer.ranking.tables import RankingTables

__all__ = ["Ask", "Query", "Question", "Ranker", "queries"]

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
    sources: NDArray[np.uint8]
    features: NDArray[np.float32]
    targets: Rows
    """Column rows of the items taken; those new to the log are missing."""
    target_count: int
    """How many were taken, new ones included."""
    known: Rows
    """Column rows of the items that the visitor took before."""
    lists: dict[str, Rows]
    """The best rows by each baseline, best first."""


Ask = Callable[["Ranker", State | None, str, int], dict[str, Rows]]
"""Makes the lists of baselines for a visitor, a session id and a moment."""


class Ranker:
    """Items, tables and memory: what a visitor's candidates and features are computed from."""

    def __init__(self, items: ItemColumns, limits: RetrievalLimits | None = None) -> None:
        self.items = items
        self.tables: RankingTables | None = None
        self.workspace = Workspace()
        self.limits = limits or RetrievalLimits()

    def use(self, tables: RankingTables) -> None:
        """Use these tables from now on."""
        self.tables = tables.bound(self.items)

    def candidates(
        self, state: State | None, session_id: str, now_unix_micros: int, without: Rows
    ) -> tuple[Candidates, NDArray[np.float32], Interests, SourceScores]:
        """Retrieve candidates and compute their features."""
        tables = self._bound()
        session = None if state is None else current_session(state, now_unix_micros, session_id)
        interests = Interests(state, session, self.items, now_unix_micros)
        scores = SourceScores(interests, tables, self.items, self.workspace)
        found = retrieve(interests, scores, self.items, self.limits)
        kept = ~np.isin(found.rows, without)
        found = Candidates(found.rows[kept], found.sources[kept])
        features = pair_features(found.rows, interests, scores, self.items, tables, now_unix_micros, self.workspace)
        return found, features, interests, scores

    def _bound(self) -> RankingTables:
        assert self.tables is not None
        if len(self.tables.table_rows_of) < len(self.items):
            self.tables = self.tables.bound(self.items)
        return self.tables


def queries(
    events: Sequence[Event],
    question: Question,
    ranker: Ranker,
    *,
    from_unix_micros: int,
    swap: Iterable[tuple[int, RankingTables]],
    baselines: Ask,
) -> Iterator[Query]:
    """Replay a log and ask at each moment from a time on.

    Args:
        events: In the order of the log.
        question: What is asked.
        ranker: Its items must be empty.
        from_unix_micros: The first moment to ask at.
        swap: Tables, each with the time from which they are used.
        baselines: Makes other lists for the same moment.
    """
    tables = list(swap)
    answers = _answers(events, question)
    visitors: dict[str, int] = {}
    states: dict[str, State] = {}
    known: dict[str, set[int]] = {}
    for place, event in enumerate(events):
        now = event.event_time_unix_micros
        ranker.items.close_before(now)
        while tables and now >= tables[0][0]:
            ranker.use(tables.pop(0)[1])
        user_id = event.user_id
        visitor = visitors.setdefault(user_id, len(visitors))
        answer = answers[place]
        is_asked = answer is not None and now >= from_unix_micros
        if question == "next-order" and is_asked and user_id in states:
            yield _query(ranker, states[user_id], event, answer or (), visitor, known[user_id], baselines, without=())
        states[user_id] = VISITOR.fold(states.get(user_id), event)
        ranker.items.add_event(event.type, event.items, now)
        digests = [_number(item.item_id) for item in event.items] if EVENT_WEIGHTS.get(event.type, 0.0) > 0.0 else []
        if question == "next-item" and is_asked:
            yield _query(ranker, states[user_id], event, answer or (), visitor, known.get(user_id, set()), baselines, without=digests)
        known.setdefault(user_id, set()).update(digests)


def _query(
    ranker: Ranker,
    state: State,
    event: Event,
    answer: Sequence[int],
    visitor: int,
    known: set[int],
    baselines: Ask,
    without: Sequence[int],
) -> Query:
    items = ranker.items
    now = event.event_time_unix_micros
    excluded = items.rows_of(without)
    found, features, _, _ = ranker.candidates(state, event.session_id, now, excluded)
    targets = items.rows_of(answer)
    lists = {name: rows[~np.isin(rows, excluded)] for name, rows in baselines(ranker, state, event.session_id, now).items()}
    return Query(
        visitor, now, found.rows, found.sources, features, targets[targets >= 0], len(answer), items.rows_of(known), lists
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
