"""The features of candidates by compiled functions: to the bit what ``pair_blocks`` computes by numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.compiled import MAX_COMPILED_ITEMS, Kernels
from presage_featurizer.ranking.context import RankingContext
from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.ranking.pair_blocks import pressure_line
from presage_featurizer.ranking.scores import SESSION_WEIGHTS, TABLES
from presage_featurizer.ranking.similar_sessions import EQUAL, FADING

__all__ = ["fill_compiled"]

Values = NDArray[np.float32]
Rows = NDArray[np.int64]

_MAX_ROWS = 32_000
"""Candidates at once, whose places must fit 16 bits."""
_NO_POSITIONS: Rows = np.zeros(0, np.int64)
_NO_ANCHOR = -1.0


def fill_compiled(
    compiled: Kernels, values: Values, rows: Rows, context: RankingContext, positions: Rows | None
) -> bool:
    """Fill in the features of candidates, as ``pair_features`` says.

    Returns:
        Whether that was done; otherwise there is something that compiled functions do not check.
    """
    interests, features, tables, workspace = context.interests, context.item_features, context.tables, context.workspace
    size = interests.size
    if len(rows) > _MAX_ROWS or size > len(SESSION_WEIGHTS) or len(interests.history) > MAX_COMPILED_ITEMS:
        return False
    rows = np.ascontiguousarray(rows, np.int64)
    positions = _NO_POSITIONS if positions is None else np.ascontiguousarray(positions, np.int64)
    scores, ranks = np.empty((len(TABLES), len(rows))), np.empty(len(rows))
    similarities = FADING if size else EQUAL
    viewed, followed, liked = tables.viewed_together, tables.followed_by, tables.liked_together
    sessions = tables.sessions
    scored = compiled.score_near(
        rows, interests.rows, size, interests.of_history, SESSION_WEIGHTS, tables.table_rows_of,
        viewed.rows, viewed.weights, followed.rows, followed.weights, liked.rows, liked.weights,
        sessions.starts, sessions.items, sessions.item_starts, sessions.of_items,
        similarities.ranks, similarities.values, scores, ranks,
    )  # fmt: skip
    anchor_price = _NO_ANCHOR if context.anchor == UNKNOWN else float(features.prices[context.anchor])
    return scored and compiled.fill_features(
        rows, positions, context.now_unix_micros, interests.rows, size, interests.of_session, interests.of_history,
        interests.codes, interests.prices, interests.orders, int(context.intent), anchor_price, *pressure_line(context),
        features.values, features.codes, features.prices, features.first_seen_unix_micros, features.prior_parts,
        tables.table_rows_of, tables.padded_repeat_rates, scores, ranks,
        workspace.place_of, workspace.slot_of, workspace.sum_of, values,
    )  # fmt: skip
