"""From a job and the visitor's state to candidates and their features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer.cart import cart_value_micros
from presage_featurizer.ranking.assembling import Circumstances, context_of, digest_number
from presage_featurizer.ranking.context import RankingContext
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items_live import LiveValues
from presage_featurizer.ranking.pairs import pair_features
from presage_featurizer.ranking.placements import candidates_of_rules, may_be_shown
from presage_featurizer.ranking.retrieval import SOURCES, next_items, retrieve
from presage_featurizer.ranking.workspace import Workspace
from presage_server.ranking.conditions import excluded_numbers, fitting, meeting, not_among, rows_fitting
from presage_server.ranking.jobs import RankJob

__all__ = ["Candidates", "find_candidates"]

_NUMBERS = np.array([pb.ItemSource.Value(f"ITEM_SOURCE_{name.upper()}") for name in SOURCES], np.uint8)
"""The numbers of ``presage.v1.ItemSource``, by places in ``SOURCES``."""
_LEAST_MEETING = 100
"""Popular items that meet the caller's conditions, added to those found for the visitor, which may all fail them; k if more."""

Rows = NDArray[np.int64]


@dataclass(slots=True)
class Candidates:
    """The candidates of one job, in the caller's order, or in that of the sources."""

    context: RankingContext
    rows: Rows
    digests: NDArray[np.uint64]
    sources: NDArray[np.uint8]
    """Numbers of ``presage.v1.ItemSource``."""
    given: Rows | None
    """Their places among those that the caller named, from 1; None if it named none."""
    live: LiveValues
    features: NDArray[np.float32]
    cart_micros: int
    """What the visitor's cart costs."""


def find_candidates(job: RankJob, item_features: ItemFeatures, workspace: Workspace) -> Candidates:
    """Take the caller's candidates, or find some, leave out what must not be in the list, and compute the features of the rest."""
    items, state = item_features.items, job.state
    circumstances = Circumstances(
        job.now_unix_micros,
        job.session_id,
        digest_number(job.anchor_id) if job.anchor_id else None,
        job.budget_micros,
        job.country,
    )
    context = context_of(state, circumstances, item_features, job.model.tables(items), workspace)
    cart_micros = 0 if state is None else cart_value_micros(state.cart)
    given = None
    if job.candidate_ids:
        rows, digests = context.resolve_ids(job.candidate_ids)
        sources = np.full(len(rows), pb.ITEM_SOURCE_CANDIDATE, np.uint8)
        given = np.arange(1, len(rows) + 1)
        kept = _kept(job, context, rows, digests)
        if kept is not None:
            rows, digests, sources, given = rows[kept], digests[kept], sources[kept], given[kept]
    else:
        rows, sources = _find(job, context, cart_micros)
        digests = items.digests[rows]
    live = _live_values(context, rows, digests)
    return Candidates(context, rows, digests, sources, given, live, pair_features(rows, context, given), cart_micros)


def _kept(job: RankJob, context: RankingContext, rows: Rows, digests: NDArray[np.uint64]) -> Rows | None:
    """Return the places of the candidates that the caller does not leave out, and that meet its conditions; None: all of them."""
    if job.conditions is None and not job.exclude:
        return None
    fits = np.ones(len(rows), bool)
    if job.conditions is not None:
        fits &= meeting(job.conditions, rows, context.items, context.items.live_values(rows, digests))
    if job.exclude:
        excluded = excluded_numbers(job.exclude, context, job.state)
        if excluded:
            fits &= not_among(digests, excluded)
    return None if fits.all() else np.flatnonzero(fits)


def _live_values(context: RankingContext, rows: Rows, digests: NDArray[np.uint64]) -> LiveValues:
    """Return what the rules use of the candidates now; their tags, which rules do not use, are left out."""
    if context.cold_digests:
        return context.items.live_values(rows, digests)
    live = context.items.live
    return LiveValues(live.prices.take(rows), live.stock.take(rows), live.blocked.take(rows), [])


def _find(job: RankJob, context: RankingContext, cart_micros: int) -> tuple[Rows, NDArray[np.uint8]]:
    """Find candidates for the visitor, and those that the caller's conditions and the rules need."""
    features = context.item_features
    items = features.items
    limits = job.model.limits
    least = limits.popular if job.rules.chooses else job.k
    found = next_items(context, limits) if job.next_items else retrieve(context, limits, least)
    rows, sources = [found.rows], [_NUMBERS.take(found.sources)]
    excluded = excluded_numbers(job.exclude, context, job.state) if job.exclude else set()
    if job.next_items:
        excluded.update(context.interests.session_digests[:1].tolist())
    fits = None
    if job.conditions is not None or excluded:
        # Before candidates are counted and others fill up the list, which would be too short otherwise.
        fits = fitting(job.conditions, excluded, items)
        kept = fits(found.rows)
        rows, sources = [rows[0][kept]], [sources[0][kept]]
    k = job.k
    if job.conditions is not None and fits is not None:
        meet, rules, count = fits, job.rules, max(_LEAST_MEETING, k)
        rows.append(
            rows_fitting(job.conditions, items, count, lambda some: may_be_shown(some, rules, items) & meet(some))
        )
        sources.append(np.full(len(rows[-1]), pb.ITEM_SOURCE_POPULAR, np.uint8))
        together = np.concatenate(rows)
        first = context.workspace.firsts(together)
        rows, sources = [together[first]], [np.concatenate(sources)[first]]
        k = 0  # filling up would look at the same items again
    additions = candidates_of_rules(
        rows[0], job.rules, items, k=k, budget_micros=job.budget_micros, cart_micros=cart_micros, fits=fits
    )
    for added, source in (
        (additions.cheaper, pb.ITEM_SOURCE_RULE),
        (additions.exploration, pb.ITEM_SOURCE_EXPLORATION),
        (additions.popular, pb.ITEM_SOURCE_POPULAR),
    ):
        rows.append(added)
        sources.append(np.full(len(added), source, np.uint8))
    return np.concatenate(rows), np.concatenate(sources)
