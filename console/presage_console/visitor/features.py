"""Features as lines of a table: in words, with what an event changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from presage_featurizer import CATALOGUE, FeatureSet
from presage_featurizer.wording import describe_value

__all__ = ["Compared", "FeatureLine", "Parity", "compare_features", "feature_lines"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureLine:
    """One feature at one moment."""

    name: str
    value: float
    words: str
    """The value in words."""
    meaning: str
    before: float | None
    """Its value right before the event, at the same moment; None if there was no state."""

    @property
    def changed(self) -> bool:
        """Return whether the event changed it."""
        return self.before is not None and self.before != self.value


def feature_lines(
    feature_set: FeatureSet, row: Sequence[float], before: Sequence[float] | None
) -> tuple[FeatureLine, ...]:
    """Describe a vector, those that an event changed first.

    Args:
        feature_set: What the vector is made of.
        row: The values after the event.
        before: Those before it, at the same moment; None if there was no state.
    """
    own = {} if feature_set.custom is None else feature_set.custom.catalogue
    lines = []
    for place, name in enumerate(feature_set.features):
        feature = own.get(name) or CATALOGUE.get(name)
        lines.append(
            FeatureLine(
                name=name,
                value=row[place],
                words=describe_value(feature_set, name, row[place]),
                meaning="" if feature is None else feature.meaning,
                before=None if before is None else before[place],
            )
        )
    return tuple(sorted(lines, key=lambda line: not line.changed))


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """One feature as the server has it now, and as the replay has it."""

    name: str
    live: float
    replayed: float
    words: str
    """The live value in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parity:
    """Live features beside replayed ones, of the same moment."""

    features: int
    """How many were compared."""
    different: tuple[Compared, ...]


def compare_features(feature_set: FeatureSet, live: Mapping[str, float], replayed: Sequence[float]) -> Parity | None:
    """Compare the features that a server has with those of a replay, as float32; None if they are not of one set."""
    if tuple(live) != feature_set.features:
        return None
    pairs = zip(live.items(), replayed, strict=True)
    return Parity(
        features=len(feature_set.features),
        different=tuple(
            Compared(name=name, live=value, replayed=other, words=describe_value(feature_set, name, value))
            for (name, value), other in pairs
            if np.float32(value).tobytes() != np.float32(other).tobytes()
        ),
    )
