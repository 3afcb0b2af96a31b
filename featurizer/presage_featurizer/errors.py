"""Errors of features and states.

FeaturizerError
├── FeatureSetError         unexpected: a set names what does not exist; fix the set, or the model that names it
├── PlacementError          unexpected: a file of placements with a mistake; fix it, nothing of it is used
├── UnknownPlacementError   expected: a placement that the file does not have; name one of those that it has
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
    "PlacementError",
    "StateError",
    "UnknownPlacementError",
]


class FeaturizerError(Exception):
    """Base class of the featurizer's errors."""


class FeatureSetError(FeaturizerError, ValueError):
    """Unexpected: a feature set that cannot be computed; the message names the field and the value."""


class FeatureValueError(FeaturizerError, ValueError):
    """Unexpected: a project's Python feature that raised or gave no finite number; the message names it."""


class PlacementError(FeaturizerError, ValueError):
    """Unexpected: a file of placements that cannot be used; the message names the file, the key and what was expected."""


class UnknownPlacementError(FeaturizerError, LookupError):
    """Expected: a placement that was not declared; the message names those that were."""


class StateError(FeaturizerError, ValueError):
    """Unexpected: stored bytes that cannot be read as a state."""


class CorruptStateError(StateError):
    """Unexpected: stored bytes that fail their checksum or do not decode."""


class NewerStateError(StateError):
    """Unexpected: stored bytes of a version that this release does not know."""
