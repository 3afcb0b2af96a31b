"""``features = featurize(state, now)``: the vector that a model sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.feature_set import CONVERSION, FeatureSet
from presage_featurizer.state import CoreState
from presage_featurizer.view import View

__all__ = ["feature_values", "featurize"]


def featurize(
    state: CoreState | None, now_unix_micros: int, feature_set: FeatureSet = CONVERSION, *, session_id: str = ""
) -> NDArray[np.float32]:
    """Assemble the feature vector of one visitor at one moment.

    Pure and deterministic. The state is not rewound: with a moment before its newest event, times since are 0.

    Args:
        state: What is remembered; None for a visitor without history. Without habits it serves a feature set that uses none.
        now_unix_micros: The moment, in microseconds since 1970-01-01 UTC, from 0 to MAX_UNIX_MICROS.
        feature_set: Which features, in which order.
        session_id: The session to featurize; empty for the most recent one that is not idle.

    Returns:
        A new array of shape (len(feature_set.features),), float32, all finite: every feature has a value for "no history".
    """
    return np.array(feature_values(state, now_unix_micros, feature_set, session_id=session_id), dtype=np.float32)


def feature_values(
    state: CoreState | None, now_unix_micros: int, feature_set: FeatureSet, *, session_id: str = ""
) -> list[float]:
    """List what ``featurize`` makes an array of, for callers that write it straight into a larger one: as float32, too."""
    view = View(state, now_unix_micros, session_id, feature_set.time_zone, feature_set.country_indices)
    return [compute(view) for compute in feature_set.functions]
