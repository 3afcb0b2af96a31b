"""From what a list is asked for with to what is known of the visitor; live ranking and replay begin here alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.cart import cart_value_micros
from presage_featurizer.digests import product_digest, product_digests
from presage_featurizer.events import MICROS
from presage_featurizer.ranking.context import RankingContext
from presage_featurizer.ranking.intent import session_intent
from presage_featurizer.ranking.interests import Interests
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.ranking.tables import RankingTables
from presage_featurizer.ranking.workspace import Workspace
from presage_featurizer.sessions import current_session
from presage_featurizer.state import State

__all__ = ["Circumstances", "context_of", "digest_number", "digest_numbers", "draw_seed", "row_of"]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """When, where and for what a list is shown."""

    now_unix_micros: int
    session_id: str = ""
    """Empty: the visitor's most recent session that is not idle."""
    anchor: int | None = None
    """The number of the digest of the page's item; None without one."""
    budget_micros: int | None = None
    """What the visitor can spend, in millionths of the shop's currency; None if unknown."""
    country: str = ""
    """The visitor's country at that moment, as in events; empty: that of the visitor's newest event with one."""


def context_of(
    state: State | None,
    circumstances: Circumstances,
    item_features: ItemFeatures,
    tables: RankingTables,
    workspace: Workspace,
) -> RankingContext:
    """Gather what is known of a visitor when items are ranked.

    Args:
        state: The visitor's; None for a visitor without history.
        circumstances: When, where and for what.
        item_features: Of all items, refreshed since they changed.
        tables: Bound to them.
        workspace: Of the calling thread.
    """
    now = circumstances.now_unix_micros
    session = None if state is None else current_session(state, now, circumstances.session_id)
    budget, anchor = circumstances.budget_micros, circumstances.anchor
    interests = Interests(state, session, item_features, now)
    return RankingContext(
        interests,
        item_features,
        tables,
        now,
        workspace=workspace,
        anchor=UNKNOWN if anchor is None else row_of(anchor, item_features),
        budget=None if budget is None else budget / MICROS,
        cart_value=0.0 if state is None else cart_value_micros(state.cart) / MICROS,
        intent=session_intent(session, interests, item_features),
        country=circumstances.country or ("" if state is None else state.country),
    )


def row_of(number: int, item_features: ItemFeatures) -> int:
    """Return the row of an item as of the epoch by the number of its digest; UNKNOWN if it has none."""
    # Not from the columns' dict, which has the items of the next epoch a moment before all else does.
    return int(item_features.index.rows_of(np.array([number], np.uint64))[0])


def digest_number(item_id: str) -> int:
    """Return the number of an item's digest, by which columns, tables and exposures know it."""
    return int.from_bytes(product_digest(item_id), "little")


def digest_numbers(item_ids: Iterable[str]) -> NDArray[np.uint64]:
    """Return the numbers of many items' digests, in their order."""
    return np.frombuffer(product_digests(item_ids), "<u8")


def draw_seed(rank_id: str) -> int:
    """Return the seed of what a ranking draws at random, so that it can be drawn again."""
    return int(rank_id, 16)
