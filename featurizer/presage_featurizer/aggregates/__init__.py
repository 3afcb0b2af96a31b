"""Aggregates: what the fold keeps of a visitor's events for features that a project declares.

Here: what an aggregate is, and how events change its slot. How a project declares them, and reads them as features, belongs to
``presage_featurizer.custom``.
"""

from __future__ import annotations

from presage_featurizer.aggregates.aggregate import MAX_CAP, Aggregate, Condition
from presage_featurizer.aggregates.attributes import Attribute, attribute_named
from presage_featurizer.aggregates.folding import MAX_AGGREGATES, NO_AGGREGATES, Aggregates, fold_slots

__all__ = [
    "MAX_AGGREGATES",
    "MAX_CAP",
    "NO_AGGREGATES",
    "Aggregate",
    "Aggregates",
    "Attribute",
    "Condition",
    "attribute_named",
    "fold_slots",
]
