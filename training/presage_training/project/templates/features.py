"""Features for which a line of features.toml is not enough: pure functions of the view.

They may import math, typing, collections.abc and presage_featurizer, and nothing else: a fingerprint covers this file alone.
If what a function computes changes, models that use it have to be trained again.
"""

from presage_featurizer import View
from presage_featurizer.custom import feature


@feature(unit="ratio", high=1.0)
def dear_view_share(view: View) -> float:
    """Share of dear products among those viewed in the session."""
    return view.aggregate("dear_views") / max(1, view.session.product_views)
