"""All that a visitor's page shows, made of what the archive and the server say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_console.visitor.features import FeatureLine, Parity, compare_features, feature_lines
from presage_console.visitor.history import History
from presage_console.visitor.interests import Interests, interests
from presage_console.visitor.live import Live
from presage_console.visitor.replaying import Moment, Served, moment_rows, replay, served_after
from presage_console.visitor.scoring_model import ScoringModel
from presage_console.visitor.timeline import Page, find_page
from presage_console.visitor.waterfall import Waterfall
from presage_featurizer import NO_AGGREGATES, feature_rows, featurize
from presage_featurizer.custom import CustomFeatures

__all__ = ["Folded", "Selected", "fold_history"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Selected:
    """One moment of the past that was picked."""

    moment: Moment
    features: tuple[FeatureLine, ...]
    explained: Waterfall | str
    """Why the score is what it is; or why that is not known."""
    interests: Interests


@dataclass(frozen=True, kw_only=True, slots=True)
class Folded:
    """A visitor's history, folded for one page."""

    page: Page
    moments: tuple[Moment, ...]
    """Those of the page, and the one before it if there is one, the oldest first."""
    rows: NDArray[np.float32] | None
    """The features right after each; None if they cannot be computed here."""
    served: tuple[tuple[Served, ...], ...]
    """The sampled vectors after each."""
    selected: Selected | None
    """The moment that was asked for; None: now."""
    last: Moment | None
    """The newest event of all; None without events."""
    interests: Interests | None
    """What the newest state says now; None without events, or without all of them."""
    parity: Parity | None
    """Live features beside those of the newest state, now; None if they cannot be compared."""


def fold_history(
    history: History,
    *,
    model: ScoringModel | None,
    custom: CustomFeatures | None,
    live: Live,
    page: int | None,
    at: int | None,
) -> Folded:
    """Fold a visitor's events, and compute all that a page shows of them; for a thread, it takes some 10 µs for each event.

    Args:
        history: What the archive has.
        model: What scores; None if the server did not say.
        custom: The project's own features.
        live: What the server says now.
        page: The page of the timeline; None: that of ``at``.
        at: The number of the event to look at; None: now.
    """
    count = len(history.rows)
    at = at if at is not None and 1 <= at <= count else None
    found = find_page(count, page, at)
    wanted = {at, *range(max(1, found.first - 1), found.last + 1)} - {None}
    aggregates = NO_AGGREGATES if custom is None else custom.aggregates
    replayed = replay(history, wanted, aggregates)
    shown = tuple(moment for moment in replayed.moments if found.first - 1 <= moment.number <= found.last)
    feature_set = None if model is None else model.feature_set
    served = tuple(tuple(served_after(moment, history.vectors, feature_set)) for moment in shown)
    last, now = replayed.last, live.as_of_unix_micros
    parity = None
    if last is not None and last.complete and feature_set is not None and live.features is not None:
        parity = compare_features(feature_set, live.features, featurize(last.state, now, feature_set).tolist())
    chosen = next((moment for moment in replayed.moments if moment.number == at), None)
    return Folded(
        page=found,
        moments=shown,
        rows=None if feature_set is None else moment_rows(shown, feature_set),
        served=served,
        selected=None if chosen is None else _select(chosen, model, replayed.item_names),
        last=last,
        interests=None if last is None else interests(last.state, now, replayed.item_names),
        parity=parity,
    )


def _select(moment: Moment, model: ScoringModel | None, item_names: dict[bytes, str]) -> Selected:
    features: tuple[FeatureLine, ...] = ()
    explained: Waterfall | str = "The server does not say which model it serves."
    if model is not None and model.feature_set is None:
        explained = model.problem
    elif model is not None and model.feature_set is not None:
        states = [moment.state, moment.before]
        moments = [moment.as_of_unix_micros] * 2
        rows = feature_rows(states, moments, [moment.event.session_id] * 2, model.feature_set)
        after, before = rows.tolist()
        features = feature_lines(model.feature_set, after, None if moment.before is None else before)
        explained = model.explain(rows[0])
    return Selected(
        moment=moment,
        features=features,
        explained=explained,
        interests=interests(moment.state, moment.as_of_unix_micros, item_names),
    )
