"""Measures rankers on queries, one at a time, so that the queries need not be kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from presage_training.ranking.answers import Question
from presage_training.ranking.metrics import DEPTH, SHORT, RankingDraws, list_metrics
from presage_training.ranking.parts import PartOfAnswers, parts_for
from presage_training.ranking.queries import Query
from presage_training.report.metrics import Metric, MetricDraws
from presage_training.report.ranking_results import ListFacts, PartResult

__all__ = ["RankerMeasure"]

Floats = NDArray[np.float64]


@dataclass(slots=True)
class _Lists:
    """What the short lists of a ranker hold."""

    shown: set[int] = field(default_factory=set)
    bits: list[float] = field(default_factory=list)
    categories: list[float] = field(default_factory=list)


@dataclass(slots=True)
class _Values:
    visitors: list[int] = field(default_factory=list)
    of_rankers: dict[str, list[Floats]] = field(default_factory=dict)


class RankerMeasure:
    """Gathers the metrics of several rankers.

    Args:
        question: What the queries ask.
        model: The ranker that others are compared with.
    """

    def __init__(self, question: Question, model: str) -> None:
        self._parts = parts_for(question)
        self._model = model
        self._values = {part.name: _Values() for part in self._parts}
        self._lists: dict[str, _Lists] = {}
        self.queries = 0
        self.candidates = 0
        self.silences: list[int] = []
        """How long the visitor of each query had been silent before the session, in microseconds."""
        self._found = 0.0

    @property
    def found(self) -> float:
        """The share of the items taken that were among the candidates: no ranker can do better."""
        return self._found / max(1, self.queries)

    def add(self, query: Query, scores: Mapping[str, Floats]) -> None:
        """Measure the lists that rankers make of a query's candidates.

        Args:
            query: The query.
            scores: The candidates' scores by each ranker; equal ones are ordered by the items' digests.
        """
        orders = {name: np.lexsort((query.items, -values)) for name, values in scores.items()}
        self.queries += 1
        self.candidates += int((~query.is_current).sum())
        self.silences.append(query.silence_micros)
        self._found += float(np.isin(query.targets, query.items).sum()) / len(query.targets)
        for part in self._parts:
            self._add_part(part, query, orders)
        allowed = ~query.is_current
        for name, order in orders.items():
            self.add_list(name, query, order[allowed[order]][:SHORT])

    def add_list(self, name: str, query: Query, places: NDArray[np.int64]) -> None:
        """Look at what a short list holds: places of candidates."""
        lists = self._lists.setdefault(name, _Lists())
        lists.shown.update(query.items[places].tolist())
        if len(places):
            lists.bits.append(float(query.bits[places].mean()))
        categories = query.categories[places]
        if (known := categories[categories > 0]).size:
            lists.categories.append(len(np.unique(known)) / len(known))

    def add_ordered(self, name: str, query: Query, places: NDArray[np.int64]) -> None:
        """Measure one more ranker's list of a query that was added: places of candidates, best first."""
        for part in self._parts:
            targets = part.targets(query)
            if len(targets):
                hits = np.isin(query.items, targets) & part.candidates(query)
                kept = places[part.candidates(query)[places]]
                self._values[part.name].of_rankers.setdefault(name, []).append(
                    list_metrics(hits[kept[:DEPTH]], len(targets))
                )
        self.add_list(name, query, places[:SHORT])

    def _add_part(self, part: PartOfAnswers, query: Query, orders: Mapping[str, NDArray[np.int64]]) -> None:
        targets = part.targets(query)
        if not len(targets):
            return
        values = self._values[part.name]
        values.visitors.append(query.visitor)
        allowed, hits = part.candidates(query), np.isin(query.items, targets)
        for name, order in orders.items():
            kept = order[allowed[order]][:DEPTH]
            values.of_rankers.setdefault(name, []).append(list_metrics(hits[kept], len(targets)))

    def lists(self, catalogue: int) -> dict[str, ListFacts]:
        """Describe what the lists of each ranker hold, of a catalogue of this size."""
        return {
            name: ListFacts(
                coverage=len(lists.shown) / max(1, catalogue),
                novelty_bits=float(np.mean(lists.bits)) if lists.bits else 0.0,
                diversity=float(np.mean(lists.categories)) if lists.categories else None,
            )
            for name, lists in self._lists.items()
        }

    def results(self, *, seed: int, draws: int) -> dict[str, PartResult]:
        """Average over the queries, with intervals; parts without a query are left out."""
        found = {}
        for part in self._parts:
            values = self._values[part.name]
            if values.visitors:
                found[part.name] = self._result(part, values, seed, draws)
        return found

    def _result(self, part: PartOfAnswers, values: _Values, seed: int, draws: int) -> PartResult:
        drawn = RankingDraws(np.array(values.visitors), seed=seed, draws=draws)
        measured: dict[str, MetricDraws] = {
            name: drawn.measure(np.array(of_queries)) for name, of_queries in values.of_rankers.items()
        }
        ahead: dict[str, dict[str, Metric]] = {
            name: {metric: measured[self._model].difference(other, metric) for metric in other.samples}
            for name, other in measured.items()
            if name != self._model
        }
        return PartResult(
            meaning=part.meaning,
            queries=len(values.visitors),
            visitors=len(set(values.visitors)),
            metrics={name: found.metrics() for name, found in measured.items()},
            ahead=ahead,
        )
