"""Features of the items that a visitor showed interest in."""

from __future__ import annotations

from presage_featurizer.catalogue import feature
from presage_featurizer.item_history import newest_item_score
from presage_featurizer.view import View

MAX_AFFINITY = 5.0
_HALF_AFFINITY_WEIGHT = 10.0


def affinity(weight: float) -> float:
    """Map the sum of weights to 0 to MAX_AFFINITY."""
    return MAX_AFFINITY * weight / (weight + _HALF_AFFINITY_WEIGHT) if weight > 0 else 0.0


@feature(unit="score", scope="items", high=MAX_AFFINITY, version=2)
def item_affinity(view: View) -> float:
    """Interest in the last product, 0 to 5: 5w / (w + 10) for the sum w of its events' weights, halved every 60 days."""
    return affinity(newest_item_score(view.items, view.now_unix_micros))
