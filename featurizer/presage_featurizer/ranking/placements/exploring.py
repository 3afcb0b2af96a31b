"""Exploration: some places go to items drawn at random, with probabilities that are known exactly.

The items that may be drawn are divided into as many parts as there are slots, and each slot draws from one of them: which one is
drawn too, so that every item may come to every slot. Given that, slots are independent, no item can come twice, and the
probability of an item at a slot is a plain average over the parts, for any way to draw.
"""

from __future__ import annotations

import numpy as np

from presage_featurizer.events import MICROS, EventType
from presage_featurizer.ranking.items import COUNTED_TYPES, WINDOW_DAYS
from presage_featurizer.ranking.placements.placement import Exploration
from presage_featurizer.ranking.placements.scored import CandidateFacts, Floats, Rows, end_of_epoch

__all__ = ["Slots"]

_DAY_MICROS = 86_400 * MICROS
_SHOWN = COUNTED_TYPES.index(EventType.VIEW_ITEM_LIST)
_CLICKED = COUNTED_TYPES.index(EventType.SELECT_ITEM)
_MONTH = WINDOW_DAYS.index(30)

_NOWHERE = -1

_FLOOR = 0.02
"""The share of Thompson sampling's probability that is spread evenly, so that whatever may win is shown now and then."""

_ALL_SHOWS = 50.0
"""Shows that one click is taken to stand for, where nothing is known yet."""

# Click rates at which posteriors are compared, evenly spaced in log-odds: from 1 in 10,000 to 9 in 10.
_LOG_ODDS = np.linspace(-9.21, 2.2, 64)
_LOG_RATES = -np.log1p(np.exp(-_LOG_ODDS))
_LOG_OTHERS = -np.log1p(np.exp(_LOG_ODDS))


class Slots:
    """The slots of one list that explore, and what may come there.

    An item that is drawn and has another place in the list changes places with that of the slot; otherwise that of the slot leaves
    the list. So whatever may be shown may come to each slot, and estimates of other rankings are possible there.

    Args:
        facts: Of the candidates.
        chosen: Places of candidates: the list as it is without exploration.
        others: Places of the candidates that may be shown and are not in it.
        exploration: How to draw.
    """

    def __init__(self, facts: CandidateFacts, chosen: Rows, others: Rows, exploration: Exploration) -> None:
        self._exploration = exploration
        self._chosen = chosen
        self._slots = [slot - 1 for slot in sorted(exploration.slots) if slot <= len(chosen)]
        fixed = np.ones(len(chosen), bool)
        fixed[self._slots] = False
        pool = np.concatenate([chosen[fixed], others])
        listed_at = np.concatenate([np.flatnonzero(fixed), np.full(len(others), _NOWHERE)])
        if exploration.max_age_days is not None:
            oldest = end_of_epoch(facts.items) - exploration.max_age_days * _DAY_MICROS
            # An item that the columns do not have is new.
            unknown = facts.scored.rows[pool] >= len(facts.items)
            young = unknown | (facts.first_seen_unix_micros[pool] >= oldest)
            pool, listed_at = pool[young], listed_at[young]
        # By digest, so that the parts say nothing of the items.
        order = np.argsort(facts.scored.digests[pool], kind="stable")
        self._pool, self._listed_at = pool[order], listed_at[order]
        """Candidates that may be drawn, and where they are in the list."""
        rates = None
        if exploration.method == "thompson":
            rates = _ClickRates(*_posteriors(facts, exploration.prior_shows))
        count = len(self._slots)
        self._draws = [[self._weights(slot, part, rates) for part in range(count)] for slot in self._slots]
        """By slot and part: the probability of the slot's own item, then those of the part's, if the slot draws from it."""

    def draw(self, random: np.random.Generator) -> tuple[Rows, Floats]:
        """Draw the list; return it with the probability of each item at its place."""
        listed, propensities = self._chosen.copy(), np.ones(len(self._chosen))
        count = len(self._slots)
        taken = self._taken()
        inside = self._listed_at != _NOWHERE
        propensities[self._listed_at[inside]] -= taken[:, inside].sum(axis=0)
        rotation = int(random.integers(count)) if count > 1 else 0
        for number, slot in enumerate(self._slots):
            part = (number + rotation) % count
            weights = self._draws[number][part]
            drawn = min(int(np.searchsorted(np.cumsum(weights), random.random(), side="right")), len(weights) - 1)
            if not drawn:
                propensities[slot] = self._stays(number)
                continue
            place = part + (drawn - 1) * count
            listed[slot] = self._pool[place]
            propensities[slot] = taken[number, place]
            other = self._listed_at[place]
            if other != _NOWHERE:
                listed[other] = self._chosen[slot]
                propensities[other] = taken[number, place]
        return listed, propensities

    def add_to(self, probabilities: Floats) -> None:
        """Change the probabilities of a list without exploration to those of one with it.

        Args:
            probabilities: Shape (places of the list, candidates).
        """
        taken = self._taken()
        inside = self._listed_at != _NOWHERE
        at = self._listed_at[inside]
        probabilities[at, self._pool[inside]] -= taken[:, inside].sum(axis=0)
        for number, slot in enumerate(self._slots):
            probabilities[slot, self._chosen[slot]] = self._stays(number)
            probabilities[slot, self._pool] = taken[number]
            probabilities[at, self._chosen[slot]] = taken[number, inside]

    def _taken(self) -> Floats:
        """Return the probability of each slot to draw each item of the pool, shape (slots, pool)."""
        count = len(self._slots)
        taken = np.zeros((count, len(self._pool)))
        for number, by_part in enumerate(self._draws):
            for part, weights in enumerate(by_part):
                taken[number, part::count] = weights[1:] / count
        return taken

    def _stays(self, number: int) -> float:
        """Return the probability that a slot keeps its own item."""
        return float(sum(weights[0] for weights in self._draws[number])) / len(self._slots)

    def _weights(self, slot: int, part: int, rates: _ClickRates | None) -> Floats:
        pool = self._pool[part :: len(self._slots)]
        if not len(pool):
            return np.ones(1)
        if rates is not None:
            return rates.best(np.concatenate([self._chosen[slot : slot + 1], pool]))
        weights = np.full(len(pool) + 1, self._exploration.epsilon / (len(pool) + 1))
        weights[0] += 1.0 - self._exploration.epsilon
        return weights


class _ClickRates:
    """What is known of the candidates' click rates: beta distributions, at fixed points.

    Args:
        clicks: Each candidate's clicks, more than 0.
        misses: Its shows without a click, more than 0.
    """

    def __init__(self, clicks: Floats, misses: Floats) -> None:
        logs = clicks[:, None] * _LOG_RATES + misses[:, None] * _LOG_OTHERS
        densities = np.exp(logs - logs.max(axis=1, keepdims=True))
        densities /= densities.sum(axis=1, keepdims=True)
        # Halves where two items have the same rate: neither is the highest.
        below = np.maximum(np.cumsum(densities, axis=1) - densities / 2.0, 1e-300)
        self._logs_below = np.log(below)
        self._ratios = densities / below

    def best(self, places: Rows) -> Floats:
        """Return the probabilities that each of some candidates has the highest rate.

        They are what items are drawn with, and no estimates of it, so the coarse points cost nothing in exactness.
        """
        logs = self._logs_below[places].sum(axis=0)
        wins = (self._ratios[places] * np.exp(logs - logs.max())).sum(axis=1)
        weights: Floats = (1.0 - _FLOOR) * wins / wins.sum() + _FLOOR / len(wins)
        return weights


def _posteriors(facts: CandidateFacts, prior_shows: float) -> tuple[Floats, Floats]:
    """Return clicks and shows without one of each item, in closed buckets, with those that its category makes likely."""
    items = facts.items
    of_category = items.summary.category_counts
    all_shown, all_clicked = float(of_category[_SHOWN].sum()), float(of_category[_CLICKED].sum())
    overall = (all_clicked + 1.0) / (all_shown + _ALL_SHOWS)
    # The category of a new item may be newer than the counts.
    categories = facts.categories
    known = (categories > 0) & (categories < of_category.shape[1])
    shown = np.where(known, of_category[_SHOWN, np.where(known, categories, 0)], 0)
    clicked = np.where(known, of_category[_CLICKED, np.where(known, categories, 0)], 0)
    rates = np.clip((clicked + _ALL_SHOWS * overall) / (shown + _ALL_SHOWS), 1e-4, 0.9)
    own_clicked = facts.known(items.sums[_MONTH, _CLICKED])
    own_shown = facts.known(items.sums[_MONTH, _SHOWN])
    return prior_shows * rates + own_clicked, prior_shows * (1.0 - rates) + np.maximum(own_shown - own_clicked, 0.0)
