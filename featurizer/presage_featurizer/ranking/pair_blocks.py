"""Features of a visitor and an item together, by numpy: what the compiled functions are compared with, and where there are none."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.events import MICROS
from presage_featurizer.ranking.context import RankingContext
from presage_featurizer.ranking.item_features import CODES, FAR, ITEM_FEATURES, RATES
from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.ranking.scores import TABLES

__all__ = ["fill_blocks", "pressure_line"]

Values = NDArray[np.float32]
Rows = NDArray[np.int64]

_DAY_SECONDS = 86_400
_MINUTE_SECONDS = 60

_NOT_OWN = np.array([0.0, -1.0, -1.0, 0.0, 0.0, 0.0, 0.0], np.float32)
_NO_PRICE = np.array([-1.0, -1.0, -1.0, 0.0], np.float32)
_LEAST_MONEY = 1e-6
_MAX_SCORE = 1e30
"""Seen from long before the events, decayed weights are beyond what 32 bits hold."""
_NOT_IN_SESSION = np.array([-1.0, 0.0, -1.0], np.float32)
_LIKED = TABLES.index("liked_together")
_LEAST_RATING = 1e-9
_UNKNOWN_SHARES = np.array([0.0, -1.0, 0.0])
"""By the codes of an unknown category, of no brand, and of an unknown price."""


def fill_blocks(blocks: Iterator[Values], rows: Rows, context: RankingContext, positions: Rows | None) -> None:
    """Fill in the features of candidates, one block of columns after the other, in the order of ``PAIR_FEATURES``."""
    _set_own(next(blocks), rows, context)
    _set_session(next(blocks), rows, context)
    _set_near(next(blocks), rows, context)
    codes = context.item_features.codes.take(rows, axis=0)
    _set_alike(next(blocks), next(blocks), codes, context)
    _set_prices(next(blocks), rows, context)
    _set_items(next(blocks), next(blocks), rows, codes, context)
    candidate = next(blocks)
    tables = context.tables
    candidate[:, 0] = tables.padded_repeat_rates.take(tables.table_rows_of.take(rows), mode="wrap")
    known_micros = np.maximum(0, context.now_unix_micros - context.item_features.first_seen_unix_micros.take(rows))
    candidate[:, 1] = known_micros / (_DAY_SECONDS * MICROS)
    candidate[:, 2] = 0.0 if positions is None else positions
    next(blocks)[:] = _visitor(context)


def _set_own(block: Values, rows: Rows, context: RankingContext) -> None:
    """What the visitor did with the items."""
    interests = context.interests
    size = len(interests.history)
    if not size:
        block[:] = _NOT_OWN
        return
    places = context.workspace.places(rows, interests.history)
    found = (places != UNKNOWN).nonzero()[0]
    block[:] = _NOT_OWN
    if not len(found):
        return
    own = np.empty((len(_NOT_OWN), size), np.float32)
    own[0] = np.minimum(interests.scores, _MAX_SCORE)
    own[1] = np.arange(size)
    own[2] = interests.ages_seconds / _DAY_SECONDS
    own[3] = interests.purchases
    own[4] = interests.others
    own[5] = interests.purchases / max(1, interests.orders)
    own[6] = interests.bought_last
    block[found] = own.take(places.take(found), axis=1).T


def _set_session(block: Values, rows: Rows, context: RankingContext) -> None:
    """What the visitor did with them in this session."""
    interests = context.interests
    size = len(interests.session)
    if not size:
        block[:] = _NOT_IN_SESSION
        return
    places = context.workspace.places(rows, interests.session)
    found = (places != UNKNOWN).nonzero()[0]
    block[:] = _NOT_IN_SESSION
    if not len(found):
        return
    own = np.empty((len(_NOT_IN_SESSION), size), np.float32)
    own[0] = np.arange(size)
    own[1] = interests.session_counts
    own[2] = interests.session_ages_seconds / _MINUTE_SECONDS
    block[found] = own.take(places.take(found), axis=1).T


def _set_near(block: Values, rows: Rows, context: RankingContext) -> None:
    """How near they are to the visitor's items by the tables."""
    scores = context.scores.of(rows)
    block[:, :-1] = scores.T
    block[:, -1] = FAR
    found = scores[_LIKED].nonzero()[0]
    if len(found):
        block[found, -1] = context.scores.ranks(TABLES[_LIKED], scores[_LIKED].take(found))


def _set_alike(shares: Values, same: Values, codes: Rows, context: RankingContext) -> None:
    """How much they are like the visitor's items."""
    interests, of_numbers = context.interests, context.workspace.shares
    session, own = len(interests.session), interests.codes
    equally = np.full(len(CODES) * session, 1.0 / max(1, session))
    # Price bands are left out of the session: there, the price beside the newest item's says more.
    shares[:, :2] = of_numbers(own[:session].ravel(), equally, codes[:, :2], _UNKNOWN_SHARES)
    ratings = interests.ratings
    ratings = np.repeat(ratings / max(float(ratings.sum()), _LEAST_RATING), len(CODES))
    shares[:, 2:] = of_numbers(own[session:].ravel(), ratings, codes, _UNKNOWN_SHARES)
    newest = [code if code >= len(CODES) else UNKNOWN for code in own[0, :2].tolist()] if len(own) else [UNKNOWN] * 2
    same[:] = codes[:, :2] == np.array(newest)


def _set_prices(block: Values, rows: Rows, context: RankingContext) -> None:
    """What they cost beside what the visitor looks at, usually takes, and can spend."""
    interests, all_prices = context.interests, context.item_features.prices
    own = interests.prices[len(interests.session) :]
    own_mean = float(own.sum()) / max(1, int(np.count_nonzero(own)))
    newest_price = float(interests.prices[0]) if len(interests.prices) else 0.0
    anchor_price = float(all_prices[context.anchor]) if context.anchor != UNKNOWN else newest_price
    # Each feature is the price times one number plus another.
    lines = (
        _ratio(newest_price),
        _ratio(own_mean),
        pressure_line(context),
        (-1.0 / anchor_price, 1.0) if anchor_price > 0.0 else (0.0, 0.0),
    )
    factors, sums = zip(*lines, strict=True)
    prices = all_prices.take(rows)
    ratios = prices[:, None] * np.array(factors)
    ratios += np.array(sums)
    np.minimum(ratios, FAR, out=block, casting="same_kind")
    unknown = prices <= 0.0
    if unknown.any():
        block[unknown] = _NO_PRICE


def pressure_line(context: RankingContext) -> tuple[float, float]:
    """Return what a price is multiplied by, and what is added to it, for ``budget_pressure``."""
    if context.budget is None:
        return 0.0, -1.0
    left = context.budget - context.cart_value
    return (1.0 / left, 0.0) if left > _LEAST_MONEY else (0.0, FAR)


def _ratio(other: float) -> tuple[float, float]:
    return (1.0 / other, 0.0) if other > 0.0 else (0.0, -1.0)


def _set_items(block: Values, rates: Values, rows: Rows, codes: Rows, context: RankingContext) -> None:
    """What all visitors did with them."""
    features = context.item_features
    values = features.values.take(rows, axis=0)
    known = len(ITEM_FEATURES)
    block[:] = values[:, :known]
    smoothed = features.prior_parts.take(codes[:, 0], axis=0)
    smoothed += values[:, known : known + len(RATES)]
    np.divide(smoothed, values[:, known + len(RATES) :], out=rates, casting="same_kind")


def _visitor(context: RankingContext) -> Values:
    """What is the same for all candidates, and tells the model how much to trust the rest."""
    interests = context.interests
    ages = interests.ages_seconds
    return np.array(
        [
            len(interests.history),
            interests.orders,
            len(interests.session),
            float(ages.min()) / _DAY_SECONDS if len(ages) else -1.0,
            int(context.intent),
        ],
        np.float32,
    )
