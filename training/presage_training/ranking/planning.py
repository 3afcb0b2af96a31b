"""What to ask of a log, and at which moments: the parts that make tables, fit the model and test it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from presage_training.errors import DatasetError
from presage_training.ranking.answers import Answer, Question, Survey

__all__ = ["RankingOptions", "RankingPlan", "choose_question", "make_plan"]

_MIN_ANSWERS = 100
"""Fewest answers that a question is chosen for."""
_MIN_PART = 20
"""Fewest answers to fit on, and to test on."""
_MOSTLY = 0.8


@dataclass(frozen=True, kw_only=True, slots=True)
class RankingOptions:
    """How to train and measure a ranking model.

    Raises:
        DatasetError: A value is out of bounds; the message names the field.
    """

    seed: int = 7
    """The same log and seed give the same model and figures."""
    tables_share: float = 0.4
    """The share of the log's events that only makes the tables for fitting."""
    test_from_share: float = 0.7
    """The share of the log's events before the test."""
    bucket_seconds: int = 60
    """The width of a bucket of the items' counts; a divisor of an hour."""
    max_fit_queries: int = 10_000
    """Above this, an even sample of the queries is fitted: about 25 kB of memory each."""
    max_test_queries: int = 10_000
    """Above this, the queries of a sample of visitors are tested."""
    draws: int = 500
    """Draws that each interval rests on."""
    state_ttl_days: float = 0.0
    """After how many silent days a visitor is forgotten, as the servers' setting of this name; 0: never."""

    def __post_init__(self) -> None:
        if not 0.0 < self.tables_share < self.test_from_share < 1.0:
            raise DatasetError(
                "tables_share, test_from_share: expected rising numbers between 0 and 1, "
                f"got {self.tables_share} and {self.test_from_share}"
            )
        if self.bucket_seconds < 1 or 3_600 % self.bucket_seconds:
            raise DatasetError(f"bucket_seconds: expected a divisor of an hour, got {self.bucket_seconds}")
        for name in ("max_fit_queries", "max_test_queries"):
            if getattr(self, name) < _MIN_PART:
                raise DatasetError(f"{name}: expected at least {_MIN_PART}, got {getattr(self, name)}")
        if not 0.0 <= self.state_ttl_days <= 3_650.0:
            raise DatasetError(
                f"state_ttl_days: expected a number of days up to 3650, or 0 forever, got {self.state_ttl_days:g}"
            )
        if self.draws < 100:
            raise DatasetError(f"draws: expected at least 100 for an interval of 95 %, got {self.draws}")


@dataclass(frozen=True, kw_only=True, slots=True)
class RankingPlan:
    """What is asked, and when."""

    question: Question
    why: str
    """Why it is asked, for people."""
    fit_from_unix_micros: int
    """Until here, the log only makes tables; from here on, it is asked for fitting."""
    test_from_unix_micros: int
    fit: tuple[Answer, ...]
    """In the order of the log."""
    test: tuple[Answer, ...]
    fit_count: int
    """Answers for fitting that the log has, of which ``fit`` is a sample."""
    test_count: int


def choose_question(survey: Survey) -> tuple[Question, str]:
    """Choose what to ask of a log, and say why.

    Raises:
        DatasetError: The log answers no question often enough.
    """
    counts = survey.counts
    lists, items, orders = (counts.get(name, 0) for name in ("shown-list", "next-item", "next-order"))
    if orders >= _MIN_ANSWERS and survey.purchases >= _MOSTLY * survey.item_events:
        return "next-order", (
            f"{survey.purchases:,} of the {survey.item_events:,} events with items are purchases, "
            f"and {orders:,} orders are of visitors who were there before"
        )
    if items >= _MIN_ANSWERS and items >= lists / 2:
        return "next-item", f"{items:,} events are followed by another item of the session"
    if lists >= _MIN_ANSWERS:
        return "shown-list", f"visitors went on from {lists:,} of the {survey.lists:,} lists that they were shown"
    if orders >= _MIN_ANSWERS:
        return "next-order", f"{orders:,} orders are of visitors who were there before"
    raise DatasetError(
        f"has too little to learn a ranking from: expected at least {_MIN_ANSWERS} answers to a question, but {items:,} events are "
        f"followed by another item of their session (next-item), {orders:,} orders are of visitors who were there before "
        f"(next-order), and visitors went on from {lists:,} of {survey.lists:,} lists (shown-list); "
        f"it has {survey.item_events:,} events with items of {survey.visitors:,} visitors: "
        "give a longer log, and check that its events have items and sessions"
    )


def make_plan(
    survey: Survey,
    options: RankingOptions,
    question: Question | None = None,
    *,
    moments: tuple[int, int] | None = None,
) -> RankingPlan:
    """Choose the question, unless it is given, and divide the log by the times of its events.

    Args:
        survey: Of the log.
        options: The shares of the parts.
        question: What to ask.
        moments: Where fitting and testing begin, in microseconds, instead of by share.

    Raises:
        DatasetError: A part has too few answers; the message says how many there are.
    """
    if question is None:
        question, why = choose_question(survey)
    else:
        why = f"as asked for; the log answers it {survey.counts.get(question, 0):,} times"
    answers = survey.answers.get(question, [])
    # A log of lists and clicks has no event that shows interest in the sense of an item's history.
    times = survey.times or [answer.unix_micros for answer in answers]
    if not times:
        raise DatasetError("has no event that shows interest in an item; check the mapping of its items")
    fit_from, test_from = moments or tuple(
        times[int(share * len(times))] for share in (options.tables_share, options.test_from_share)
    )
    fit = [answer for answer in answers if fit_from <= answer.unix_micros < test_from]
    test = [answer for answer in answers if answer.unix_micros >= test_from]
    for name, part in (("fit on", fit), ("test on", test)):
        if len(part) < _MIN_PART:
            raise DatasetError(
                f"{question}: expected at least {_MIN_PART} answers to {name}, got {len(part)} "
                f"of the log's {survey.counts.get(question, 0):,}; give a longer log, or ask another question"
                f"{_one_by_one(question, survey)}"
            )
    return RankingPlan(
        question=question,
        why=why,
        fit_from_unix_micros=fit_from,
        test_from_unix_micros=test_from,
        fit=_even(fit, options.max_fit_queries),
        test=_of_visitors(test, options.max_test_queries),
        fit_count=len(fit),
        test_count=len(test),
    )


def _one_by_one(question: Question, survey: Survey) -> str:
    if question != "shown-list" or survey.lists:
        return ""
    return "; no event shows a list of two items or more: rows of one shown item each cannot be joined to lists"


def _even(answers: Sequence[Answer], most: int) -> tuple[Answer, ...]:
    """Take an even sample."""
    if len(answers) <= most:
        return tuple(answers)
    return tuple(answers[place * len(answers) // most] for place in range(most))


def _of_visitors(answers: Sequence[Answer], most: int) -> tuple[Answer, ...]:
    """Take all answers of the visitors with the lowest draws, so that what is drawn again in intervals stays whole."""
    if len(answers) <= most:
        return tuple(answers)
    highest = sorted(answer.draw for answer in answers)[most - 1]
    kept = tuple(answer for answer in answers if answer.draw < highest)
    return kept or tuple(answers[:most])
