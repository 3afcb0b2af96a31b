"""Events to state, state to features: pure and deterministic, with no I/O, no clock and no wire format.

    state' = fold(state, event)
    features = featurize(state, now)

Live traffic and training replay both use these two functions; there is no second implementation of either.
"""

from __future__ import annotations

from presage_featurizer.aggregates import NO_AGGREGATES, Aggregates
from presage_featurizer.catalogue import CATALOGUE, Feature
from presage_featurizer.codec import decode_event, decode_needed, decode_state, encode_event, encode_state
from presage_featurizer.errors import (
    CorruptStateError,
    FeatureSetError,
    FeatureValueError,
    FeaturizerError,
    NewerStateError,
    StateError,
)
from presage_featurizer.events import MICROS, Device, Event, EventType, Item, Shown, money_micros
from presage_featurizer.feature_set import FeatureSet
from presage_featurizer.featurize import feature_rows, featurize
from presage_featurizer.fold import fold
from presage_featurizer.segments import Segment
from presage_featurizer.sessions import current_session
from presage_featurizer.shipped_sets import BEHAVIOR, CONVERSION, CORE, FEATURE_SETS, RFM
from presage_featurizer.state import CoreState, State
from presage_featurizer.subject import VISITOR, Subject, visitor_subject
from presage_featurizer.view import MAX_UNIX_MICROS, View

__all__ = [
    "BEHAVIOR",
    "CATALOGUE",
    "CONVERSION",
    "CORE",
    "FEATURE_SETS",
    "MAX_UNIX_MICROS",
    "MICROS",
    "NO_AGGREGATES",
    "RFM",
    "VISITOR",
    "Aggregates",
    "CoreState",
    "CorruptStateError",
    "Device",
    "Event",
    "EventType",
    "Feature",
    "FeatureSet",
    "FeatureSetError",
    "FeatureValueError",
    "FeaturizerError",
    "Item",
    "NewerStateError",
    "Segment",
    "Shown",
    "State",
    "StateError",
    "Subject",
    "View",
    "current_session",
    "decode_event",
    "decode_needed",
    "decode_state",
    "encode_event",
    "encode_state",
    "feature_rows",
    "featurize",
    "fold",
    "money_micros",
    "visitor_subject",
]
