"""The features of ``behavior`` in groups, to measure what each group adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from presage_featurizer import BEHAVIOR, CATALOGUE, RFM, FeatureSet
from presage_training.datasets.dataset import Dataset

__all__ = ["CART_FEATURES", "FEATURE_GROUPS", "FUNNEL_FEATURES", "without"]

CART_FEATURES = frozenset(
    {
        *(name for name in BEHAVIOR.features if CATALOGUE[name].scope == "cart"),
        "add_to_cart_events", "max_cart_value", "session_cart_views", "cart_adds", "view_to_cart_rate", "cart_to_checkout_rate",
        # They weigh events by type, and a cart's weigh most of those that come before a purchase.
        "engagement_score", "item_affinity", "category_affinity",
        # An addition to the cart is one of their types or steps.
        "last_event_type", "deepest_step", "session_checkouts",
    }
)  # fmt: skip
"""What knows of carts."""

FUNNEL_FEATURES = frozenset(
    {
        "session_searches", "session_wishlist_adds", "session_list_views", "session_cart_views", "session_checkouts",
        "last_event_type", "deepest_step", "longest_gap_seconds",
    }
)  # fmt: skip
"""What knows of the session's funnel: its events by type, the newest type, the steps reached, and the gaps."""

FEATURE_GROUPS: Mapping[str, frozenset[str]] = {
    "orders": frozenset(RFM.features),
    "session and cart": frozenset(
        name
        for name in BEHAVIOR.features
        if CATALOGUE[name].scope in {"session", "cart"} and name not in FUNNEL_FEATURES
    ),
    "session funnel": FUNNEL_FEATURES,
    "calendar": frozenset(name for name in BEHAVIOR.features if CATALOGUE[name].scope == "calendar"),
    "habits": frozenset(name for name in BEHAVIOR.features if CATALOGUE[name].scope in {"habits", "items"}),
    "who and where": frozenset({"device_encoded", "country_encoded", "bounce_rate"}),
}
"""The features of ``behavior``, each in one group."""


def without(dataset: Dataset, left_out: frozenset[str]) -> Dataset:
    """Leave features out of a dataset."""
    names = tuple(name for name in dataset.feature_set.features if name not in left_out)
    places = [dataset.feature_set.features.index(name) for name in names]
    feature_set = FeatureSet(
        name="custom",
        features=names,
        time_zone=dataset.feature_set.time_zone,
        countries=dataset.feature_set.countries,
    )
    return replace(dataset, feature_set=feature_set, features=np.ascontiguousarray(dataset.features[:, places]))
