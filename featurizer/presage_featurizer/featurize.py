"""``features = featurize(state, now)``: the vector that a model sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.feature_set import FeatureSet
from presage_featurizer.shipped_sets import CONVERSION
from presage_featurizer.state import CoreState

__all__ = ["feature_rows", "featurize", "pack_rows"]


def featurize(
    state: CoreState | None, now_unix_micros: int, feature_set: FeatureSet = CONVERSION, *, session_id: str = ""
) -> NDArray[np.float32]:
    """Compute the feature vector of one visitor at one moment.

    Pure and deterministic. The state is not rewound: for a moment before its newest event, times since are 0.

    Args:
        state: The visitor's state; None for a visitor without history. It may lack the parts that the feature set does not need.
        now_unix_micros: The moment, in microseconds since 1970-01-01 UTC, from 0 to MAX_UNIX_MICROS.
        feature_set: Which features, in which order.
        session_id: The session to featurize; empty for the most recent one that is not idle.

    Returns:
        A new array of shape (len(feature_set.features),), float32, all finite: every feature has a value for "no history".
    """
    row: NDArray[np.float32] = feature_rows((state,), (now_unix_micros,), (session_id,), feature_set)[0]
    return row


def feature_rows(
    states: Sequence[CoreState | None],
    nows_unix_micros: Sequence[int],
    session_ids: Sequence[str],
    feature_set: FeatureSet,
) -> NDArray[np.float32]:
    """Compute the feature vectors of many visitors, each as ``featurize`` does.

    Args:
        states: The state of each visitor.
        nows_unix_micros: The moment for each visitor.
        session_ids: The session of each visitor.
        feature_set: Which features, in which order.

    Returns:
        A new C-contiguous array of shape (len(states), len(feature_set.features)), float32.
    """
    shape = len(states), len(feature_set.features)
    return np.ndarray(shape, np.float32, pack_rows(states, nows_unix_micros, session_ids, feature_set))


def pack_rows(
    states: Sequence[CoreState | None],
    nows_unix_micros: Sequence[int],
    session_ids: Sequence[str],
    feature_set: FeatureSet,
) -> bytearray:
    """Compute the bytes of ``feature_rows``, for callers that collect rows: float32 in native byte order."""
    return feature_set.write_rows(
        states, nows_unix_micros, session_ids, feature_set.time_zone, feature_set.country_indices
    )
