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

    Args:
        facts: Of the candidates.
        chosen: Places of candidates: the list as it is without exploration.
        others: Places of the candidates that may be shown and are not in it, best first.
        exploration: How to draw.
    """

    def __init__(self, facts: CandidateFacts, chosen: Rows, others: Rows, exploration: Exploration) -> None:
        self._exploration = exploration
        self._chosen = chosen
        if exploration.max_age_days is not None:
            oldest = end_of_epoch(facts.items) - exploration.max_age_days * _DAY_MICROS
            # An item that the columns do not have is new.
            unknown = facts.scored.rows[others] >= len(facts.items)
            others = others[unknown | (facts.first_seen_unix_micros[others] >= oldest)]
        self.slots = [slot - 1 for slot in sorted(exploration.slots) if slot <= len(chosen)]
        """Places in the list, from 0."""
        # By digest, so that the parts say nothing of the items.
        pool = others[np.argsort(facts.scored.digests[others], kind="stable")]
        self.parts = [pool[part :: len(self.slots)] for part in range(len(self.slots))]
        """Places of the candidates that may be drawn, by part."""
        self._rates = None
        if exploration.method == "thompson":
            self._rates = _ClickRates(*_posteriors(facts, exploration.prior_shows))

    def draw(self, random: np.random.Generator) -> tuple[Rows, Floats]:
        """Draw the list; return it with the probability of each item at its place."""
        listed, propensities = self._chosen.copy(), np.ones(len(self._chosen))
        count = len(self.slots)
        rotation = int(random.integers(count)) if count > 1 else 0
        for number, slot in enumerate(self.slots):
            part = (number + rotation) % count
            weights = self._weights(slot, part)
            drawn = min(int(np.searchsorted(np.cumsum(weights), random.random(), side="right")), len(weights) - 1)
            if drawn:
                listed[slot] = self.parts[part][drawn - 1]
                propensities[slot] = weights[drawn] / count
            else:
                propensities[slot] = self._share_of_chosen(slot, part, weights)
        return listed, propensities

    def probabilities(self, slot: int) -> tuple[Rows, Floats]:
        """Return the places of the candidates that may come to a slot, and the probability of each; the sum is 1."""
        count = len(self.slots)
        by_part = [self._weights(slot, part) for part in range(count)]
        places = np.concatenate([self._chosen[slot : slot + 1], *self.parts])
        shares = [sum(weights[:1] for weights in by_part), *(weights[1:] for weights in by_part)]
        return places, np.concatenate(shares) / count

    def _share_of_chosen(self, slot: int, part: int, weights: Floats) -> float:
        count = len(self.slots)
        others = (self._weights(slot, other)[0] for other in range(count) if other != part)
        return float(weights[0] + sum(others)) / count

    def _weights(self, slot: int, part: int) -> Floats:
        """Return the probabilities of what the list has at a slot, and of each item of a part, if it draws from that one."""
        pool = self.parts[part]
        if not len(pool):
            return np.ones(1)
        if self._rates is not None:
            return self._rates.best(np.concatenate([self._chosen[slot : slot + 1], pool]))
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
