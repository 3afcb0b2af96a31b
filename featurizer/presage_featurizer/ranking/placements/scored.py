"""What the rules work on: scored candidates, what is known of items now, and the list that comes out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.compiled import kernels
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_live import LiveValues
from presage_featurizer.ranking.placements.placement import Placement

__all__ = ["Arranged", "CandidateFacts", "Flags", "Floats", "Rows", "Scored", "end_of_epoch"]

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_FEW = 160
"""Up to so many candidates, comparing all with all is faster than sorting."""


@dataclass(frozen=True)
class Scored:
    """Candidates with their scores, in any order, each once."""

    rows: Rows
    """Rows of the columns; from ``len(items)`` on for items that these do not have."""
    digests: NDArray[np.uint64]
    """The numbers of the items' digests: where scores tie, the lower one comes first."""
    scores: Floats
    """Higher is better. Only their order counts."""
    sources: NDArray[np.uint8]
    """Places in SOURCES; the rules do not read them."""
    live: LiveValues | None = None
    """Prices, stock and blocked items, if they were read already; None: those of the columns."""

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def order(self) -> Rows:
        """Places of the candidates, best first."""
        return np.lexsort((self.digests, -self.scores))


@dataclass(frozen=True, slots=True)
class Arranged:
    """The list to show."""

    places: Rows
    """Places in ``Scored``, in the order of the list, each once."""
    propensities: Floats
    """The probability with which each item gets its place, more than 0 and at most 1; see ``place_probabilities``."""
    rules: tuple[tuple[str, ...], ...]
    """The rules that moved each item, by the names of their keys; not those that moved others past it."""


def end_of_epoch(items: ItemColumns) -> int:
    """Return the moment that ages are counted to, in microseconds since 1970: the end of the newest closed bucket."""
    return (items.epoch + 1) * items.bucket_micros


class CandidateFacts:
    """What the rules use of the candidates: arrays in their order, read when they are first used.

    Args:
        scored: The candidates.
        items: All items.
    """

    def __init__(self, scored: Scored, items: ItemColumns) -> None:
        self.scored = scored
        self.items = items

    @cached_property
    def live(self) -> tuple[Floats, Rows, Flags]:
        """Prices, 0 if unknown; stock, -1 if unknown; and which items are blocked."""
        scored, items = self.scored, self.items
        if scored.live is not None:
            return scored.live.prices, scored.live.stock, scored.live.blocked
        rows = scored.rows
        if rows.max(initial=-1) < len(items):
            return items.live_prices[rows], items.stock[rows], items.blocked[rows]
        values = items.live_values(rows, scored.digests)
        return values.prices, values.stock, values.blocked

    @property
    def prices(self) -> Floats:
        return self.live[0]

    @cached_property
    def categories(self) -> Rows:
        """Codes; 0 if unknown."""
        return self.known(self.items.categories)

    @cached_property
    def brands(self) -> Rows:
        """Codes; 0 if unknown."""
        return self.known(self.items.brands)

    @cached_property
    def first_seen_unix_micros(self) -> Rows:
        """0 if unknown."""
        return self.known(self.items.first_seen_unix_micros)

    def known(self, column: Rows) -> Rows:
        """Take the candidates' values of a column; 0 for items that the columns do not have."""
        rows, size = self.scored.rows, len(self.items)
        if not size:
            return np.zeros(len(rows), np.int64)
        inside = rows < size
        return column[rows] if inside.all() else np.where(inside, column[np.where(inside, rows, 0)], 0)

    def shown(self, placement: Placement) -> Rows:
        """Return the places of the candidates that may be shown, best first."""
        scored, compiled = self.scored, kernels()
        _, stock, blocked = self.live
        hide = placement.hide_out_of_stock
        if compiled is not None and len(scored) <= _FEW:
            places = np.empty(len(scored), np.int64)
            return places[: compiled.order_shown(scored.scores, scored.digests, stock, blocked, hide, places)]
        may_be_shown = ~(blocked | (stock == 0)) if hide else ~blocked
        order = scored.order
        return order if may_be_shown.all() else order[may_be_shown[order]]
