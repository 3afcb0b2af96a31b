"""The results of a ranking run, as ``results.json`` has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from presage_training.report.metrics import Metric

__all__ = ["ListFacts", "PartResult", "RankingFacts", "RankingResults", "encode_ranking_results"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PartResult:
    """How good each ranker is on a part of the answers."""

    meaning: str
    """Which items count, and which are candidates."""
    queries: int
    visitors: int
    metrics: Mapping[str, Mapping[str, Metric]]
    """By ranker, then by metric."""
    ahead: Mapping[str, Mapping[str, Metric]]
    """By how much the model is better than each other ranker, by metric, in pairs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListFacts:
    """What the lists of ten that a ranker makes hold."""

    coverage: float
    """The share of all items that are in any list."""
    novelty_bits: float
    """How surprising an item is on average: the negative binary logarithm of its share in the events of 7 days."""
    diversity: float | None
    """Distinct categories for each item of a list; None if no category is known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RankingFacts:
    """The log, and how it was divided."""

    source: str
    events: int
    item_events: int
    visitors: int
    items: int
    first_unix_micros: int
    last_unix_micros: int
    question: str
    why: str
    """Why this question was asked."""
    fit_from_unix_micros: int
    """Until here the log only makes tables."""
    test_from_unix_micros: int
    fit_answers: int
    """Answers between the two that the log has."""
    fit_queries: int
    """Those that the model was fitted on: with a candidate that was taken."""
    test_answers: int
    test_queries: int
    """Those that were measured."""
    bucket_seconds: int
    catalogue_items: int
    """Items of the catalogue that was given; 0 without one."""
    has_categories: bool
    """Whether any item's category was known."""
    has_prices: bool
    """Whether any item's price was known."""
    state_ttl_days: float
    """After how many silent days visitors were forgotten in training; 0: never."""
    forgotten: float
    """The share of the measured queries whose visitor had been silent before the session for longer than a server remembers: for
    ``state_ttl_days``, or the 30 days that are a server's default."""
    silence_days: float
    """The silence that 95 % of the measured queries do not exceed, in days."""
    skipped: Mapping[str, int]
    """The number of rows that the reader skipped, by reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RankingResults:
    """A run: the model beside all that it has to beat."""

    name: str
    seed: int
    draws: int
    model: str
    """The name of the model among the rankers."""
    data: RankingFacts
    trees: int
    candidates: float
    """Candidates of a query, on average."""
    found: float
    """The share of the items taken that were among them: no ranker can do better."""
    parts: Mapping[str, PartResult]
    """By name; ``all`` is the first."""
    lists: Mapping[str, ListFacts]
    """By ranker."""
    importances: Mapping[str, float]
    """Each feature's share of the model's gain, the highest first."""
    rankers: Mapping[str, str]
    """What each ranker is."""
    remarks: tuple[str, ...]
    export: str
    """How the export was proven."""


def encode_ranking_results(results: RankingResults) -> bytes:
    """Write results as JSON, indented, with a line end; undefined values are null."""
    return msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n"
