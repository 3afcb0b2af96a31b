"""Texts of a project: a declaration and Python features that use every kind of aggregate."""

from __future__ import annotations

from presage_featurizer.custom import CustomFeatures

__all__ = ["DECLARATION", "SOURCE", "custom_features"]

DECLARATION = """\
name = "myshop"
extends = "conversion"

[features]
visit_searches = { aggregate = "count", over = "session", events = ["SEARCH"] }
shoe_views = { aggregate = "count", over = "visitor", events = ["VIEW_ITEM"], where = { "item.category" = "shoes" } }
margin_viewed = { aggregate = "sum", of = "numbers.margin", over = "session" }
brands_viewed = { aggregate = "distinct", of = "item.brand", over = "session", cap = 64 }
last_channel = { aggregate = "last", of = "labels.channel", over = "visitor", values = ["email", "ads"] }
shoe_interest = { aggregate = "decayed_sum", over = "visitor", half_life_days = 7, where = { "item.category" = ["shoes", "hats"] } }
hours_since_login = { aggregate = "time_since_last", over = "visitor", events = ["LOGIN"], unit = "hours", default = -1 }
cheapest_viewed = { aggregate = "min", of = "item.price", over = "session", where = { "item.quantity" = { min = 1 } } }
largest_value = { aggregate = "max", of = "value", over = "visitor" }
last_price = { aggregate = "last", of = "item.price", over = "visitor", default = -1 }
"""

SOURCE = '''\
"""The features of a made-up shop."""

from __future__ import annotations

import math

from presage_featurizer import View
from presage_featurizer.custom import feature

LEAST_EVENTS = 1


@feature(unit="ratio", low=0.0, high=1.0)
def search_share(view: View) -> float:
    """Share of searches among the session's events."""
    return view.aggregate("visit_searches") / at_least_one(view.session.event_count)


@feature(unit="log currency")
def log_of_cheapest(view: View) -> float:
    """Logarithm of the cheapest price viewed."""
    price = view.aggregate("cheapest_viewed")
    if price <= 0:
        return -1.0
    return math.log1p(price) + view.aggregate("shoe_interest")


def at_least_one(count: int) -> int:
    return max(LEAST_EVENTS, count)
'''


def custom_features(*lines: str, source: str = SOURCE) -> CustomFeatures:
    """Parse the project, with more lines in its declaration."""
    return CustomFeatures.parse("\n".join([DECLARATION, *lines]), source)
