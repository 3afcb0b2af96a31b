"""Questions of a log, asked at their moments with what was known by then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from presage_featurizer import MICROS, Event
from presage_featurizer.ranking.assembling import Circumstances, context_of, digest_number, digest_numbers
from presage_featurizer.ranking.compiled import load_kernels
from presage_featurizer.ranking.context import RankingContext
from presage_featurizer.ranking.item_features import CODES, ItemFeatures
from presage_featurizer.ranking.items import UNKNOWN, ItemColumns
from presage_featurizer.ranking.items_counter import CATALOGUE
from presage_featurizer.ranking.items_replay import ItemReplay
from presage_featurizer.ranking.pairs import pair_features
from presage_featurizer.ranking.retrieval import RetrievalLimits, retrieve
from presage_featurizer.ranking.tables import RankingTables
from presage_featurizer.ranking.workspace import Workspace
from presage_training.ranking.answers import Answer
from presage_training.ranking.catalogue import Catalogue, DatedCatalogue
from presage_training.ranking.nearest import NearestVisitors
from presage_training.ranking.planning import RankingPlan
from presage_training.ranking.tables import TableBuilder
from presage_training.ranking.visitors import Visitors

__all__ = ["LogReplay", "Part", "Query"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Numbers = NDArray[np.uint64]
Part = Literal["fit", "test"]

_MAX_CANDIDATES = 1_000
_WEEK = 1
"""The place of 7 days among the windows."""
_CATEGORY = CODES.index("category")
_NO_EPOCH = -2


@dataclass(frozen=True, slots=True)
class Query:
    """One question with its answer, and the candidates with their features. Items are numbers of their digests."""

    visitor: int
    """The visitor's number; also the key of its intervals."""
    unix_micros: int
    items: Numbers
    """The candidates."""
    rows: Rows
    """Their rows; beyond those of the columns for items that those do not have."""
    sources: NDArray[np.uint8]
    """Places in SOURCES; all 0 for a list that was shown."""
    features: NDArray[np.float32]
    """Shape (candidates, features)."""
    is_current: NDArray[np.bool_]
    """Candidates that the visitor is looking at: ``next-item`` asks for another one."""
    targets: Numbers
    """The items taken, whether they are candidates or not."""
    known: Numbers
    """Items that the visitor took before."""
    bought: Numbers
    session: Numbers
    """Items of the session."""
    users: Floats
    """The candidates' scores by user-kNN, a baseline that no table can give."""
    categories: NDArray[np.int64]
    """The candidates' categories; 0 if unknown."""
    bits: Floats
    """How surprising each candidate is: the negative binary logarithm of its share in the events of 7 days."""
    positions: NDArray[np.int64]
    """The candidates' places in the list that was shown, from 1; 0 where none was."""
    silence_micros: int
    """How long the visitor had been silent before the session; 0 in the first one."""
    champion_features: NDArray[np.float32] | None = None
    """The candidates' features by the champion's tables; None for fitting, or without a champion."""


@dataclass(frozen=True, slots=True)
class _Period:
    tables: RankingTables
    nearest_visitors: NearestVisitors


class LogReplay:
    """Replays a log and asks at the moments of a plan.

    The tables are older than the answers in both parts: those for fitting end where fitting begins, those for testing where testing
    begins. Visitors and counts are up to date at each question.

    Args:
        plan: What to ask and when.
        bucket_seconds: The width of a bucket of the items' counts.
        limits: Of retrieval.
        catalogue: What it says of items.
        state_ttl_micros: After which silence a visitor's state is dropped; 0 never.
        champion: The tables of a model to compare with.
    """

    def __init__(
        self,
        plan: RankingPlan,
        *,
        bucket_seconds: int,
        limits: RetrievalLimits | None = None,
        catalogue: Catalogue | None = None,
        state_ttl_micros: int = 0,
        champion: RankingTables | None = None,
    ) -> None:
        load_kernels()
        self.plan = plan
        self.items = ItemColumns(bucket_seconds * MICROS)
        self.limits = limits or RetrievalLimits()
        self.builder = TableBuilder()
        """Of all events that were replayed so far."""
        self.last_unix_micros = 0
        self.catalogue: Catalogue = catalogue or DatedCatalogue()
        self._visitors = Visitors(state_ttl_micros)
        self._numbers: dict[str, int] = {}
        self._workspace = Workspace()
        self._period: _Period | None = None
        self._bound: RankingTables | None = None
        self._champion = champion
        self._features = ItemFeatures(self.items)
        self._epoch = self.items.epoch
        """That of the features."""
        self._totals: tuple[int, Floats] = (_NO_EPOCH, np.zeros(0))
        """An epoch, and the events of 7 days of each item in it."""

    def queries(self, events: Iterable[Event]) -> Iterator[tuple[Part, Query]]:
        """Replay events in the order of time."""
        plan, replay = self.plan, ItemReplay(self.items)
        asked: dict[int, tuple[Part, Answer]] = {answer.place: ("fit", answer) for answer in plan.fit}
        asked.update((answer.place, ("test", answer)) for answer in plan.test)
        moments = [plan.fit_from_unix_micros, plan.test_from_unix_micros]
        for place, event in enumerate(events):
            now = self.last_unix_micros = event.event_time_unix_micros
            while moments and now >= moments[0]:
                self._begin_period(moments.pop(0))
            for moment, change in self.catalogue.due(event):
                replay.add_change(change, moment, place, CATALOGUE)
            replay.close_before(now)
            found = asked.get(place)
            if found and plan.question != "next-item":
                yield found[0], self._query(event, found[1], found[0])
            self._visitors.fold(event)
            replay.add(event, now, place)
            if found and plan.question == "next-item":
                yield found[0], self._query(event, found[1], found[0])
            self.builder.add(event)

    def _begin_period(self, unix_micros: int) -> None:
        self._period = _Period(self.builder.build(unix_micros), NearestVisitors(self.builder.visitors()))
        self._bound = None

    def _context(self, event: Event) -> RankingContext:
        assert self._period is not None
        if self._epoch != self.items.epoch:
            self._features.refresh()
            self._epoch = self.items.epoch
        if self._bound is None or self._bound.bound_items < len(self.items):
            self._bound = (self._bound or self._period.tables).bound(self.items)
        circumstances = Circumstances(event.event_time_unix_micros, event.session_id)
        state = self._visitors.state(event.user_id, event.event_time_unix_micros)
        return context_of(state, circumstances, self._features, self._bound, self._workspace)

    def _query(self, event: Event, answer: Answer, part: Part) -> Query:
        assert self._period is not None
        context = self._context(event)
        named = np.array(list(dict.fromkeys(digest_numbers(item.item_id for item in event.items).tolist())), np.uint64)
        if self.plan.question == "shown-list":
            rows = context.resolve(named[:_MAX_CANDIDATES])
            sources = np.zeros(len(rows), np.uint8)
            positions = _positions(event, named[:_MAX_CANDIDATES])
        else:
            found = retrieve(context, self.limits)
            rows, sources = found.rows, found.sources
            positions = np.zeros(len(rows), np.int64)
        given = positions if positions.any() else None
        numbers = context.digests_of(rows)
        tables = context.tables.table_rows_of
        own = tables[context.interests.history]  # UNKNOWN for UNKNOWN
        users = self._period.nearest_visitors.scores(own[own != UNKNOWN])
        return Query(
            self._numbers.setdefault(event.user_id, len(self._numbers)),
            event.event_time_unix_micros,
            numbers,
            rows,
            sources,
            pair_features(rows, context, given),
            np.isin(numbers, named) if self.plan.question == "next-item" else np.zeros(len(rows), np.bool_),
            np.array(answer.targets, np.uint64),
            self._visitors.taken(event.user_id),
            self._visitors.bought(event.user_id),
            context.interests.session_digests.copy(),
            np.append(users, 0.0)[tables[rows]],  # the last one: not in the tables
            self._features.codes[rows, _CATEGORY].astype(np.int64),
            self._bits(rows),
            positions,
            self._visitors.silence(event.user_id, event.event_time_unix_micros),
            self._champion_features(rows, context, given) if part == "test" else None,
        )

    def _champion_features(self, rows: Rows, context: RankingContext, given: Rows | None) -> NDArray[np.float32] | None:
        if self._champion is None:
            return None
        if self._champion.bound_items < len(self.items):
            self._champion = self._champion.bound(self.items)
        return pair_features(rows, context.with_tables(self._champion), given)

    def _bits(self, rows: Rows) -> Floats:
        if self._totals[0] != self.items.epoch:
            self._totals = self.items.epoch, self.items.sums[_WEEK, :, : len(self.items)].sum(axis=0).astype(np.float64)
        counts = np.append(self._totals[1], 0.0)[np.minimum(rows, len(self.items))]
        return np.asarray(-np.log2((counts + 1.0) / (self._totals[1].sum() + max(1, len(self.items)))), np.float64)


def _positions(event: Event, named: Numbers) -> NDArray[np.int64]:
    """The places of a list's items: as the event says, or else as it names them."""
    found: dict[int, int] = {}
    for place, item in enumerate(event.items, start=1):
        stated = item.shown.position if item.shown else 0
        found.setdefault(digest_number(item.item_id), stated or place)
    return np.array([found[number] for number in named.tolist()], np.int64)
