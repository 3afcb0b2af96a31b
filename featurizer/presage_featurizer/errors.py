"""Errors of features and states.

FeaturizerError
├── FeatureSetError         unexpected: a set names what does not exist; fix the set, or the model that names it
├── FeatureValueError       unexpected: a project's Python feature raised, or gave no finite number; fix its function
└── StateError              unexpected: bytes that are not a valid state
    ├── CorruptStateError   they fail their checksum or do not decode; the visitor's history is lost
    └── NewerStateError     a newer release wrote them; finish the roll-out, this release cannot read them
"""

from __future__ import annotations

__all__ = [
    "CorruptStateError",
    "FeatureSetError",
    "FeatureValueError",
    "FeaturizerError",
    "NewerStateError",
    "StateError",
]


class FeaturizerError(Exception):
    """Base class of the featurizer's errors."""


class FeatureSetError(FeaturizerError, ValueError):
    """Unexpected: a feature set that cannot be computed; the message names the field and the value."""


class FeatureValueError(FeaturizerError, ValueError):
    """Unexpected: a project's Python feature that raised or gave no finite number; the message names it."""


class StateError(FeaturizerError, ValueError):
    """Unexpected: stored bytes that cannot be read as a state."""


class CorruptStateError(StateError):
    """Unexpected: stored bytes that fail their checksum or do not decode."""


class NewerStateError(StateError):
    """Unexpected: stored bytes of a version that this release does not know."""
