"""Two features in Python: of aggregates, and of an aggregate and the session."""

from math import log1p

from presage_featurizer import View
from presage_featurizer.custom import feature


@feature(unit="ratio", high=1.0)
def search_share(view: View) -> float:
    """Share of searches among the session's events."""
    return min(1.0, view.aggregate("search_events") / max(1, view.session.event_count))


@feature(unit="log(currency)", low=0.0)
def margin_per_view(view: View) -> float:
    """Logarithm of the margin seen for each view of a product in the session."""
    return _tamed(view.aggregate("margin_viewed") / max(1, view.session.product_views))


def _tamed(amount: float) -> float:
    return log1p(max(0.0, amount))
