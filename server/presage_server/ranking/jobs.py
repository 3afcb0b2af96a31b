"""Units of ranking work: one list for one visitor, or the items that are like one item."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from presage_featurizer import State
from presage_featurizer.ranking.placements import Placement
from presage_server.call import Call
from presage_server.models.ranking import RankingModel
from presage_server.models.served import Route
from presage_server.telemetry.stages import Stages

__all__ = ["NOTHING", "ItemConditions", "RankJob", "RankedItems", "SimilarJob"]


class ItemConditions(msgspec.Struct, frozen=True, gc=False):
    """What ranked items must meet; an empty condition is met by every item."""

    categories: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    min_price: float | None = None
    max_price: float | None = None


class RankedItems(msgspec.Struct, frozen=True, gc=False):
    """A list of items, in its order."""

    ids: Sequence[str]
    scores: NDArray[np.float64]
    sources: NDArray[np.uint8]
    """Numbers of ``presage.v1.ItemSource``."""
    cold: NDArray[np.bool_]
    prices: NDArray[np.float64]
    """The prices that the rules used; 0 if unknown."""
    reasons: Sequence[tuple[str, ...]]
    propensities: NDArray[np.float64]
    rules: Sequence[tuple[str, ...]]
    features: NDArray[np.float32] | None = None
    """One row for each item, if they were asked for."""


_NONE = np.zeros(0)
NOTHING = RankedItems((), _NONE, np.zeros(0, np.uint8), np.zeros(0, np.bool_), _NONE, (), _NONE, ())
_DEFAULT_RULES = Placement()


# As ``ScoreJob``: quick to make, and filled in by the pipeline before ``encode`` is called.
class RankJob(msgspec.Struct, eq=False):
    """One visitor to rank items for."""

    call: Call
    rank_id: str
    """The id of the response, drawn for this call."""
    user_id: str
    session_id: str
    """Empty: the visitor's most recent session that is not idle."""
    model: RankingModel
    """The model version that the call was routed to."""
    now_unix_micros: int
    """The moment to rank at."""
    stages: Stages
    encode: Callable[[RankJob], bytes]
    """Makes the reply; called once, when the list is there."""
    route: Route[RankingModel] | None = None
    """What ranks for the visitor; None where that is not for a visitor."""
    k: int = 20
    """How many items are wanted."""
    candidate_ids: Sequence[str] = ()
    """The items to rank; empty: they are to be found."""
    next_items: bool = False
    """Whether only what comes next in the session is wanted."""
    placement: str = ""
    """As the caller named it."""
    rules: Placement = _DEFAULT_RULES
    """The placement's."""
    budget_micros: int | None = None
    anchor_id: str = ""
    """The item of the page; empty if there is none."""
    country: str = ""
    """The visitor's, as the caller sent it; empty: that of the visitor's newest event with one."""
    conditions: ItemConditions | None = None
    exclude: frozenset[int] = frozenset()
    """Numbers of ``presage.v1.Exclusion``."""
    include_features: bool = False
    include_timings: bool = False
    preview: bool = False
    """Whether the visitor does not get to see the list, so that it is neither counted nor logged."""
    state: State | None = None
    """What is remembered of the visitor; None without history."""
    degraded: bool = False
    """Whether the history could not be read, so that the list is that of a visitor without one."""
    cold_start: bool = True
    """Whether the visitor has no recorded history."""
    no_session: bool = True
    """Whether no session is open at that moment."""
    intent: int = 0
    """A number of ``presage.v1.Intent``."""
    epoch: int = 0
    """The newest bucket whose counts the items had."""
    queued: bool = False
    """Whether it is the ranker's turn, so that it does not wait for the store any more."""
    items: RankedItems = NOTHING

    @property
    def arm(self) -> int:
        """Which of the model's versions the visitor is assigned to: a number of ``presage.v1.Arm``."""
        return 0 if self.route is None else int(self.route.arm)


class SimilarJob(msgspec.Struct, eq=False):
    """One item whose like is wanted."""

    call: Call
    item_id: str
    model: RankingModel
    k: int
    respond: Callable[[SimilarJob], None]
    conditions: ItemConditions | None = None
    cold: bool = False
    """Whether the catalogue does not know the item."""
    items: RankedItems = NOTHING
