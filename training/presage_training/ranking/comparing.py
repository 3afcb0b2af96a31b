"""A ranking model beside the baselines on one log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from presage_featurizer import MICROS, Event
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.pairs import PAIR_FEATURES
from presage_training.errors import DatasetError
from presage_training.ranking.baselines import NearestVisitors, baseline_scores
from presage_training.ranking.metrics import Answer, RankingDraws, list_metrics
from presage_training.ranking.model import fit_ranker
from presage_training.ranking.queries import Period, Query, Question, Ranker, queries
from presage_training.ranking.tables import TableBuilder
from presage_training.report.metrics import Metric, MetricDraws

__all__ = ["MODEL", "Measured", "RankingComparison", "compare_rankers"]

MODEL = "LambdaMART"


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """How good each ranker is on some of the answers."""

    queries: int
    metrics: dict[str, dict[str, Metric]]
    """By ranker, then by metric."""
    ahead: dict[str, Metric]
    """How much higher the model's NDCG at 10 is than that of each other, in pairs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RankingComparison:
    """A ranking model and the baselines on the last part of a log."""

    fitted_on: int
    """Queries that the model was fitted on."""
    trees: int
    candidates: float
    """Candidates of a query, on average."""
    found: float
    """The share of the items taken that were among them: no ranker can do better."""
    everything: Measured
    unknown: Measured | None
    """Only items that the visitor had not taken before; None if there are none."""
    importances: dict[str, float]
    """The share of each feature in the model's gain, the highest first."""


def compare_rankers(
    events: Sequence[Event],
    question: Question,
    *,
    fit_from_unix_micros: int,
    test_from_unix_micros: int,
    bucket_seconds: int = 60,
    seed: int = 7,
    draws: int = 500,
) -> RankingComparison:
    """Fit a ranking model on one part of a log and measure it on the next.

    The tables are older than the answers in both parts: those for fitting end where fitting begins, those for testing where testing
    begins. Visitors and counts are up to date at each question.

    Args:
        events: In the order of time.
        question: What is asked.
        fit_from_unix_micros: Where the first part ends, which only makes tables.
        test_from_unix_micros: Where the last part begins.
        bucket_seconds: The width of a bucket of the items' counts.
        seed: For the model and the draws.
        draws: Draws that each interval rests on.

    Raises:
        DatasetError: A part has too few queries.
    """
    periods = _periods(events, (fit_from_unix_micros, test_from_unix_micros))
    ranker = Ranker(ItemColumns(bucket_seconds * MICROS))
    asked = list(queries(events, question, ranker, periods))
    fit = [query for query in asked if query.unix_micros < test_from_unix_micros]
    test = [query for query in asked if query.unix_micros >= test_from_unix_micros]
    if not test:
        raise DatasetError("queries: expected at least one in the last part of the log, got none")
    model = fit_ranker(fit, seed=seed)
    digests = ranker.items.digests
    lists: dict[str, list[np.ndarray]] = {}
    for query in test:
        scores = {**baseline_scores(query), MODEL: np.asarray(model.predict(query.features), np.float64)}
        for name, values in scores.items():
            lists.setdefault(name, []).append(_ordered(query, values, digests))
    gains = dict(zip(PAIR_FEATURES, model.feature_importance("gain"), strict=True))
    total = sum(gains.values())
    return RankingComparison(
        fitted_on=len(fit),
        trees=model.best_iteration,
        candidates=float(np.mean([len(query.rows) for query in test])),
        found=float(np.mean([np.isin(query.targets, query.rows).sum() / query.target_count for query in test])),
        everything=_measure(test, lists, seed, draws, only_unknown=False),
        unknown=_measure(test, lists, seed, draws, only_unknown=True) if _has_unknown(test) else None,
        importances={name: gains[name] / total for name in sorted(gains, key=gains.__getitem__, reverse=True)},
    )


def _periods(events: Sequence[Event], moments: Sequence[int]) -> list[Period]:
    builder = TableBuilder()
    periods: list[Period] = []
    for event in events:
        while len(periods) < len(moments) and event.event_time_unix_micros >= moments[len(periods)]:
            moment = moments[len(periods)]
            periods.append(Period(moment, builder.build(moment), NearestVisitors(builder.visitors())))
        builder.add(event)
    return periods


def _ordered(query: Query, scores: np.ndarray, digests: np.ndarray) -> np.ndarray:
    return query.rows[np.lexsort((digests[query.rows], -scores))]


def _has_unknown(test: Sequence[Query]) -> bool:
    return any(_unknown_answer(query).count for query in test)


def _unknown_answer(query: Query) -> Answer:
    """The items of the answer that the visitor had not taken before."""
    known = np.isin(query.targets, query.known)
    return Answer(query.targets[~known], query.target_count - int(known.sum()))


def _measure(
    test: Sequence[Query], lists: dict[str, list[np.ndarray]], seed: int, draws: int, *, only_unknown: bool
) -> Measured:
    answers = [_unknown_answer(query) if only_unknown else Answer(query.targets, query.target_count) for query in test]
    asked = [place for place, answer in enumerate(answers) if answer.count]
    drawn = RankingDraws(np.array([test[place].visitor for place in asked]), seed=seed, draws=draws)
    measured: dict[str, MetricDraws] = {}
    for name, ranked in lists.items():
        values = []
        for place in asked:
            rows = ranked[place]
            values.append(
                list_metrics(rows[~np.isin(rows, test[place].known)] if only_unknown else rows, answers[place])
            )
        measured[name] = drawn.measure(np.array(values))
    return Measured(
        queries=len(asked),
        metrics={name: found.metrics() for name, found in measured.items()},
        ahead={
            name: measured[MODEL].difference(found, "ndcg_at_10") for name, found in measured.items() if name != MODEL
        },
    )
