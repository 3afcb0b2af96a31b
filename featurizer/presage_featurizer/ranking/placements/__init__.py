"""Rules after the model: what a placement shows of the items that were ranked for it.

Pure: the same candidates, items and seed give the same list, so that a logged list can be made again.
"""

from __future__ import annotations

from presage_featurizer.ranking.placements.adding import Additions, candidates_of_rules, may_be_shown
from presage_featurizer.ranking.placements.arrange import arrange, place_probabilities
from presage_featurizer.ranking.placements.parsing import EVERYWHERE, Placements
from presage_featurizer.ranking.placements.placement import Exploration, FreshnessBoost, Placement
from presage_featurizer.ranking.placements.scored import Arranged, Scored

__all__ = [
    "EVERYWHERE",
    "Additions",
    "Arranged",
    "Exploration",
    "FreshnessBoost",
    "Placement",
    "Placements",
    "Scored",
    "arrange",
    "candidates_of_rules",
    "may_be_shown",
    "place_probabilities",
]
