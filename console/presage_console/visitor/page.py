"""One visitor's page, from what the server, the archive and the models' folder say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from presage_client import AsyncClient, Prediction, Ranking
from presage_console.charts import Chart, Marker, Series
from presage_console.console import Console
from presage_console.errors import SourceError
from presage_console.visitor.assembling import Folded, fold_history
from presage_console.visitor.history import History
from presage_console.visitor.live import (
    INTENTS,
    Live,
    RankedLine,
    ask,
    find_details,
    live_waterfall,
    model_names,
    ranked_lines,
    reason_meanings,
    score_rows,
)
from presage_console.visitor.scoring_model import ScoringModel, find_model
from presage_console.visitor.timeline import Line, timeline
from presage_console.visitor.waterfall import Waterfall
from presage_featurizer.custom import CustomFeatures
from presage_server.archive.errors import ArchiveReadError

__all__ = ["Asked", "VisitorPage", "make_page"]

ReadHistory = Callable[[str], History]
"""Reads what an archive has of a visitor; raises ArchiveReadError or SourceError."""

_LONGEST_LABEL = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a page was asked for."""

    user_id: str
    model: str = ""
    """The model that scores; empty: the server's default one."""
    page: int | None = None
    """The page of the timeline; None: that of ``at``."""
    at: int | None = None
    """The number of the event to look at; None: now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VisitorPage:
    """All that the page shows."""

    asked: Asked
    models: tuple[str, ...]
    model: ScoringModel | None
    model_problem: str
    live: Live
    score_now: float | None
    """The score now; None if the server does not say."""
    history: History | None
    history_problem: str
    """Why the archive could not be read; empty if it was, or none is connected."""
    folded: Folded | None
    lines: list[Line]
    scores_problem: str
    scored_version: str
    """The version that scored the moments; empty without scores."""
    scores_chart: Chart | None
    why: Waterfall | None
    """Why the score is what it is, at the moment that was asked for."""
    why_problem: str
    why_chart: Chart | None
    ranked: tuple[RankedLine, ...]
    reasons: Mapping[str, str]
    """When each of their reasons holds."""
    intent: str
    """What the session seems to be about."""

    @property
    def count(self) -> int:
        """How many events the archive has."""
        return 0 if self.history is None else len(self.history.rows)

    @property
    def is_known(self) -> bool:
        """Whether the server or the archive know the visitor."""
        explanation, features = self.live.explanation, self.live.features
        known = explanation is not None and not explanation.cold_start
        return known or (features is not None and not features.cold_start) or self.count > 0

    @property
    def any_served(self) -> bool:
        """Whether a score that was served after one of the lines is in the log."""
        return any(line.served for line in self.lines)


async def make_page(
    console: Console, asked: Asked, *, read_history: ReadHistory | None, custom: CustomFeatures | None
) -> VisitorPage:
    """Ask and read all that the page of a visitor shows.

    Args:
        console: The console.
        asked: What for.
        read_history: Reads the archive, in a thread; None where none is connected.
        custom: The project's own features.
    """
    client = console.server.client
    names, details = await asyncio.gather(model_names(client), find_details(client, asked.model))
    model, model_problem = None, ""
    if isinstance(details, str):
        model_problem = details
    else:
        model = await asyncio.to_thread(find_model, details, console.models, custom)
        model_problem = model.problem
    feature_set = details.feature_set if asked.model and not isinstance(details, str) else ""
    live, (history, history_problem) = await asyncio.gather(
        ask(client, asked.user_id, model=asked.model, feature_set=feature_set, now_unix_micros=console.now()),
        asyncio.to_thread(_read, read_history, asked.user_id),
    )
    score_now = await _score_now(client, live, asked.model)
    folded = None
    predictions: list[Prediction] | None = None
    scores_problem = ""
    if history is not None:
        fold = partial(fold_history, history, model=model, custom=custom, live=live, page=asked.page, at=asked.at)
        folded = await asyncio.to_thread(fold)
        if folded.rows is not None and len(folded.rows):
            scored = await score_rows(client, folded.rows, asked.model)
            scores_problem = scored if isinstance(scored, str) else ""
            predictions = None if isinstance(scored, str) else scored
    lines = [] if folded is None else timeline(folded.moments, predictions, folded.served, folded.page)
    why, why_problem = _why(live, model, folded)
    return VisitorPage(
        asked=asked,
        models=names if len(names) > 1 else (),
        model=model,
        model_problem=model_problem,
        live=live,
        score_now=score_now,
        history=history,
        history_problem=history_problem,
        folded=folded,
        lines=lines,
        scores_problem=scores_problem,
        scored_version=predictions[0].model_version if predictions else "",
        scores_chart=_scores_chart(lines, folded),
        why=why,
        why_problem=why_problem,
        why_chart=None if why is None else _why_chart(why),
        ranked=() if live.ranking is None else tuple(ranked_lines(live.ranking)),
        reasons={} if live.ranking is None else reason_meanings(live.ranking),
        intent=_intent(live.ranking),
    )


async def _score_now(client: AsyncClient, live: Live, model: str) -> float | None:
    """Return the score that Explain answered with; where it did not, that of the features."""
    if live.explanation is not None:
        return live.explanation.score
    if live.features is None:
        return None
    scored = await score_rows(client, np.array([list(live.features.values())], np.float32), model)
    return None if isinstance(scored, str) else scored[0].score


def _read(read_history: ReadHistory | None, user_id: str) -> tuple[History | None, str]:
    if read_history is None:
        return None, ""
    try:
        return read_history(user_id), ""
    except (ArchiveReadError, SourceError) as error:
        return None, str(error)


def _why(live: Live, model: ScoringModel | None, folded: Folded | None) -> tuple[Waterfall | None, str]:
    selected = None if folded is None else folded.selected
    if selected is not None:
        explained = selected.explained
        return (None, explained) if isinstance(explained, str) else (explained, "")
    if live.explanation is None:
        return None, live.explanation_problem
    return live_waterfall(live.explanation, model), ""


def _why_chart(why: Waterfall) -> Chart:
    changes = why.steps[1:-1]
    return Chart(
        title="From the base value to this score",
        x_name="Feature",
        x=[_short(step.words or step.name) for step in changes],
        series=[Series(name="Adds", values=[step.change for step in changes])],
        kind="waterfall",
        start=why.steps[0].end,
        start_label="Base value",
        end_label="This score",
    )


def _scores_chart(lines: list[Line], folded: Folded | None) -> Chart | None:
    in_order = [line for line in reversed(lines) if line.score is not None]
    if folded is None or len(in_order) <= 1:
        return None
    scores = [line.score for line in in_order]
    are_shares = all(score is not None and 0.0 <= score <= 1.0 for score in scores)
    chosen = folded.selected
    return Chart(
        title="Score right after each event",
        x_name="Event",
        x=[line.number for line in in_order],
        series=[Series(name="Score", values=scores, unit="%" if are_shares else "")],
        kind="steps",
        y_low=0.0 if are_shares else None,
        markers=[] if chosen is None else [Marker(at=chosen.moment.number, label="")],
        note=f"Events {folded.page.first:,} to {folded.page.last:,}."
        + ("" if chosen is None else f" The line is event {chosen.moment.number:,}."),
    )


def _intent(ranking: Ranking | None) -> str:
    return "" if ranking is None else INTENTS.get(ranking.intent.name, ranking.intent.name.lower())


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"
