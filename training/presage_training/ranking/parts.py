"""Parts of the answers, and which items may be candidates for them: what makes one number of a ranker into several honest ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_training.ranking.answers import Question
from presage_training.ranking.queries import Query

__all__ = ["ALL", "EXPLORE", "PARTS", "PartOfAnswers", "parts_for"]

Mask = NDArray[np.bool_]
Numbers = NDArray[np.uint64]

ALL = "all"
EXPLORE = "explore"


@dataclass(frozen=True, slots=True)
class PartOfAnswers:
    """Some of the items taken, among some of the candidates."""

    name: str
    meaning: str
    questions: tuple[Question, ...]
    candidates: Callable[[Query], Mask]
    """Which candidates a list may have."""
    targets: Callable[[Query], Numbers]
    """Which of the items taken count; a query without any of them is not asked."""


def _others(query: Query) -> Mask:
    return ~query.is_current


def _without(query: Query, items: Numbers) -> Mask:
    return ~query.is_current & ~np.isin(query.items, items)


_EVERY: tuple[Question, ...] = ("next-item", "next-order", "shown-list")

PARTS = (
    PartOfAnswers(ALL, "all items taken", _EVERY, _others, lambda query: query.targets),
    PartOfAnswers(
        EXPLORE,
        "only items that the visitor had not taken before",
        _EVERY,
        lambda query: _without(query, query.known),
        lambda query: np.setdiff1d(query.targets, query.known),
    ),
    PartOfAnswers(
        "repeat",
        "only items that the visitor had taken before",
        _EVERY,
        lambda query: ~query.is_current & np.isin(query.items, query.known),
        lambda query: np.intersect1d(query.targets, query.known),
    ),
    PartOfAnswers(
        "with the current item",
        "the item that the visitor looks at is a candidate, too",
        ("next-item",),
        lambda query: np.ones(len(query.items), np.bool_),
        lambda query: query.targets,
    ),
    PartOfAnswers(
        "without session items",
        "items of the session are neither candidates nor answers",
        ("next-item", "shown-list"),
        lambda query: _without(query, query.session),
        lambda query: np.setdiff1d(query.targets, query.session),
    ),
    PartOfAnswers(
        "without bought items",
        "items that the visitor bought before are neither candidates nor answers",
        _EVERY,
        lambda query: _without(query, query.bought),
        lambda query: np.setdiff1d(query.targets, query.bought),
    ),
)


def parts_for(question: Question) -> tuple[PartOfAnswers, ...]:
    """Return the parts that make sense for a question."""
    return tuple(part for part in PARTS if question in part.questions)
