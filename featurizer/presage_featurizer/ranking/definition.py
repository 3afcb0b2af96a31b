"""What a ranking model's bundle records of its features."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from presage_featurizer.errors import FeatureSetError
from presage_featurizer.feature_set import FeatureSetDefinition
from presage_featurizer.fold import FOLD_VERSION
from presage_featurizer.ranking.pairs import PAIR_FEATURES

__all__ = ["RANKING_FEATURES", "RANKING_VERSION", "check_ranking_features", "ranking_definition"]

RANKING_FEATURES = "ranking"
"""The name of the set."""

RANKING_VERSION = 1
"""Part of the fingerprint; increases when the same visitor, items and tables would give different features or candidates."""


def ranking_definition() -> dict[str, Any]:
    """Return the definition of the features of candidates, with the fingerprint that ties a model to them."""
    return {
        "name": RANKING_FEATURES,
        "features": tuple(PAIR_FEATURES),
        "time_zone": "UTC",
        "countries": (),
        "fingerprint": _fingerprint(),
    }


def check_ranking_features(definition: FeatureSetDefinition) -> None:
    """Check that this release computes the features that a model was trained on.

    Raises:
        FeatureSetError: It does not.
    """
    if definition.features != tuple(PAIR_FEATURES) or definition.fingerprint != _fingerprint():
        raise FeatureSetError(
            f"fingerprint: expected {_fingerprint()}, got {definition.fingerprint}: "
            "this release has other ranking features; train the model again"
        )


def _fingerprint() -> str:
    definition = {"fold": FOLD_VERSION, "ranking": RANKING_VERSION, "features": list(PAIR_FEATURES)}
    return hashlib.sha256(json.dumps(definition, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
