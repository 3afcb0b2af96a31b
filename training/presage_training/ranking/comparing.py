"""A ranking model beside the baselines on one log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import lightgbm
import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.ranking import RankingBundle
from presage_featurizer import MICROS, Event
from presage_featurizer.ranking.placements import Placement, Placements, Scored, arrange
from presage_featurizer.ranking.tables import RankingTables
from presage_training.errors import DatasetError
from presage_training.ranking.baselines import baseline_scores
from presage_training.ranking.catalogue import Catalogue
from presage_training.ranking.measuring import RankerMeasure
from presage_training.ranking.metrics import DEPTH
from presage_training.ranking.model import FitRows, fit_ranker
from presage_training.ranking.planning import RankingOptions, RankingPlan
from presage_training.ranking.queries import LogReplay, Query

__all__ = ["CHAMPION", "MODEL", "RankingComparison", "compare_rankers", "with_rules"]

MODEL = "LambdaMART"
CHAMPION = "champion"
"""The name of the version that serves, where a new one is compared with it."""
_GATE_ROWS = 20_000
_DAY_MICROS = 86_400 * MICROS


@dataclass(frozen=True, slots=True, eq=False)
class RankingComparison:
    """A fitted model, its measures, and what its bundle needs."""

    booster: lightgbm.Booster
    fit_queries: int
    """Queries that it was fitted on."""
    left_out: int
    """Queries that taught it nothing, because no candidate was taken."""
    measure: RankerMeasure
    replay: LogReplay
    """At the end of the log."""
    rows: NDArray[np.float32]
    """Candidates of some tested queries, one query after the other."""
    sizes: tuple[int, ...]
    """How many of each query."""

    def tables(self) -> RankingTables:
        """The tables of the whole log."""
        return self.replay.builder.build(self.replay.last_unix_micros)


class _GateRows:
    """An even sample of the tested queries, for the parity of the export: every so many, doubled when there are too many."""

    def __init__(self) -> None:
        self.kept: list[NDArray[np.float32]] = []
        self._rows = self._seen = 0
        self._stride = 1

    def add(self, features: NDArray[np.float32]) -> None:
        if self._seen % self._stride == 0 and len(features):
            self.kept.append(features)
            self._rows += len(features)
            if self._rows > _GATE_ROWS and len(self.kept) > 1:
                self.kept = self.kept[::2]
                self._rows = sum(len(kept) for kept in self.kept)
                self._stride *= 2
        self._seen += 1


def compare_rankers(
    events: Iterable[Event],
    plan: RankingPlan,
    options: RankingOptions,
    *,
    placements: Placements | None = None,
    catalogue: Catalogue | None = None,
    champion: RankingBundle | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
) -> RankingComparison:
    """Fit a ranking model on one part of a log and measure it, and the baselines, on the next.

    Args:
        events: In the order of time, as they were surveyed.
        plan: What to ask and when.
        options: How to train and measure.
        placements: Rules after the model: the lists that they make of its scores are measured, too.
        catalogue: What it says of items.
        champion: A version to measure, too, on the same candidates, with its own tables.
        on_progress: Called with a short description of each step.

    Raises:
        DatasetError: A part has too few queries.
    """
    replay = LogReplay(
        plan,
        bucket_seconds=options.bucket_seconds,
        catalogue=catalogue,
        state_ttl_micros=round(options.state_ttl_days * _DAY_MICROS),
        champion=None if champion is None else RankingTables.restore(champion.arrays),
    )
    rows = FitRows(options.seed)
    measure = RankerMeasure(plan.question, MODEL)
    gate = _GateRows()
    booster: lightgbm.Booster | None = None
    for part, query in replay.queries(events):
        if part == "fit":
            rows.add(query)
            continue
        if booster is None:
            on_progress(f"fitting {len(rows.sizes):,} queries")
            booster = fit_ranker(rows, seed=options.seed)
            fit_queries, left_out = len(rows.sizes), rows.left_out
            rows = FitRows(options.seed)  # frees the memory of those that were fitted
        scores = _predict(booster, query)
        rankers = {**baseline_scores(query), MODEL: scores}
        if champion is not None and query.champion_features is not None:
            rankers[CHAMPION] = champion.scores(query.champion_features)
        measure.add(query, rankers)
        if placements is not None:
            for name in ("", *placements):
                places = _arranged(query, scores, replay, placements[name], seed=measure.queries)
                measure.add_ordered(with_rules(name), query, places)
        gate.add(query.features)
    if booster is None:
        raise DatasetError("queries: expected at least one in the last part of the log, got none")
    return RankingComparison(
        booster,
        fit_queries,
        left_out,
        measure,
        replay,
        np.concatenate(gate.kept),
        tuple(len(kept) for kept in gate.kept),
    )


def with_rules(placement: str) -> str:
    """Name the model with the rules of a placement; those that hold everywhere for the empty name."""
    return f"{MODEL} + rules of {placement}" if placement else f"{MODEL} + rules"


def _arranged(
    query: Query, scores: NDArray[np.float64], replay: LogReplay, placement: Placement, *, seed: int
) -> NDArray[np.int64]:
    """Return the places of the candidates that rules put into a list, in its order."""
    candidates = np.flatnonzero(~query.is_current)
    scored = Scored(query.rows[candidates], query.items[candidates], scores[candidates], query.sources[candidates])
    listed = arrange(scored, placement, replay.items, k=DEPTH, budget_micros=None, cart_micros=0, seed=seed)
    return candidates[listed.places]


def _predict(booster: lightgbm.Booster, query: Query) -> NDArray[np.float64]:
    if not len(query.rows):
        return np.zeros(0)
    return np.asarray(booster.predict(query.features, num_threads=1), np.float64)
