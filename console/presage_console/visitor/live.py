"""What the server says of a visitor now: why the score is what it is, the features, and what Rank would show."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from presage_client import AsyncClient, Explanation, Features, Prediction, PresageError, Ranking
from presage_client.models import ModelDetails, ModelKind
from presage_console.visitor.scoring_model import ScoringModel
from presage_console.visitor.waterfall import Part, Waterfall, scores_of_margins, waterfall
from presage_featurizer.ranking.reasons import REASONS

__all__ = [
    "INTENTS",
    "Live",
    "RankedLine",
    "ask",
    "find_details",
    "live_waterfall",
    "model_names",
    "ranked_lines",
    "reason_meanings",
    "score_rows",
]

_RANKED = 10
"""Items of the list that is shown."""
_TIMEOUT_MS = 10_000
"""A page can wait: the server's process that explains starts with the first question."""

INTENTS = {
    "UNSPECIFIED": "no session is open",
    "TRANSACTIONAL": "about to buy: put something into the cart, looked at it, or began a checkout",
    "COMPARING": "comparing: several items of one category, one of them more than once",
    "BROWSING": "looking around",
    "RETURNING": "came back to items that they know",
    "BARGAIN": "looking for the cheaper items",
}
"""Session intents in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answer:
    """What one call answered, or why it did not."""

    value: Any = None
    problem: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Live:
    """What the server says of a visitor at one moment; each call may fail by itself."""

    as_of_unix_micros: int
    explanation: Explanation | None
    explanation_problem: str
    features: Features | None
    features_problem: str
    ranking: Ranking | None
    ranking_problem: str


async def ask(client: AsyncClient, user_id: str, *, model: str, feature_set: str, now_unix_micros: int) -> Live:
    """Ask for all that is shown of now.

    Not with Score: what it serves is counted for drift, and may be sampled into the log. Rank makes a preview, for the same reason.

    Args:
        client: Of the server.
        user_id: The visitor.
        model: The model that is looked at; empty: the server's default one.
        feature_set: Its features; empty: those of the default one.
        now_unix_micros: The moment.
    """
    explained, features, ranked = await asyncio.gather(
        _answer(client.explain(user_id, model=model, as_of_unix_micros=now_unix_micros, timeout_ms=_TIMEOUT_MS)),
        _answer(
            client.features(user_id, feature_set=feature_set, as_of_unix_micros=now_unix_micros, timeout_ms=_TIMEOUT_MS)
        ),
        _answer(
            client.rank(user_id, k=_RANKED, as_of_unix_micros=now_unix_micros, preview=True, timeout_ms=_TIMEOUT_MS)
        ),
    )
    return Live(
        as_of_unix_micros=now_unix_micros,
        explanation=explained.value,
        explanation_problem=explained.problem,
        features=features.value,
        features_problem=features.problem,
        ranking=ranked.value,
        ranking_problem=ranked.problem,
    )


async def find_details(client: AsyncClient, model: str) -> ModelDetails | str:
    """Ask which version of a model serves; return why if that fails. An empty name is the default model."""
    answer = await _answer(client.get_model(model))
    found: ModelDetails | str = answer.problem or answer.value
    return found


async def score_rows(client: AsyncClient, rows: NDArray[np.float32], model: str) -> list[Prediction] | str:
    """Score replayed vectors; return why if that fails."""
    answer = await _answer(client.score_vectors(rows.tolist(), model=model, timeout_ms=_TIMEOUT_MS))
    found: list[Prediction] | str = answer.problem or answer.value
    return found


async def model_names(client: AsyncClient) -> tuple[str, ...]:
    """List the models that score visitors, the default one first; empty if the server does not say."""
    answer = await _answer(client.list_models())
    models = sorted(answer.value or (), key=lambda each: not each.default_model)
    return tuple(each.name for each in models if each.kind == ModelKind.SCORING)


def live_waterfall(explanation: Explanation, model: ScoringModel | None) -> Waterfall:
    """Make a waterfall of what Explain answered."""
    same = model is not None and (model.name, model.version) == (explanation.model, explanation.model_version)
    known = model.to_score if model is not None and same else None
    return waterfall(
        [
            Part(feature=each.feature, words=each.reason.rpartition(", ")[0], contribution=each.contribution)
            for each in explanation.contributions
        ],
        base_margin=explanation.base_margin,
        margin=explanation.margin,
        score=explanation.score,
        to_score=known or scores_of_margins(explanation.margin, explanation.score),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class RankedLine:
    """One item of what Rank would show."""

    position: int
    item_id: str
    score: float
    price: float
    reasons: tuple[str, ...]
    """Why it is there: the codes as words, the strongest first."""
    source: str
    """How it was found."""
    rules: tuple[str, ...]


def ranked_lines(ranking: Ranking) -> list[RankedLine]:
    """Describe the items of a ranking."""
    return [
        RankedLine(
            position=position,
            item_id=item.item_id,
            score=item.score,
            price=item.price,
            reasons=tuple(map(_words, item.reasons)),
            source=_words(item.source.name),
            rules=tuple(map(_words, item.rules)),
        )
        for position, item in enumerate(ranking.items, 1)
    ]


def reason_meanings(ranking: Ranking) -> dict[str, str]:
    """Say when each of the reasons of a ranking holds, by its words; those that this release does not know are left out."""
    named = {code for item in ranking.items for code in item.reasons}
    return {_words(code): meaning for code, meaning in REASONS.items() if code in named}


def _words(code: str) -> str:
    return code.lower().replace("_", " ")


async def _answer(call: Awaitable[Any]) -> _Answer:
    try:
        return _Answer(value=await call)
    except PresageError as error:
        return _Answer(problem=error.message or str(error))
