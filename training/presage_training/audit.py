"""The audit: vectors that were served, against what a replay of the archived events gives at the same points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from presage_export.bundle import Bundle, read_bundle
from presage_export.calibration import to_score
from presage_export.errors import BundleError
from presage_featurizer import FEATURE_SETS, FeatureSet, FeatureSetError, State, featurize
from presage_featurizer.digests import digest
from presage_training.readers.formats.archive import ArchivedEvent, ArchivedVector
from presage_training.replaying.replay import Replay

__all__ = ["Audit", "Difference", "Models", "audit"]

_MOST_DIFFERENCES = 10
_SCORE_TOLERANCE = 1e-6
"""Another processor may round a model's sums in another order."""
_NO_EVENT = "its last event is not in the archive"
_NO_BEGINNING = "the visitor's history begins before the archive"
_NO_FEATURE_SET = "feature set unknown to this release and to the bundles"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One vector that a replay does not give back, or whose score its model does not."""

    vector: ArchivedVector
    what: str


@dataclass(kw_only=True, slots=True)
class Audit:
    """What came of it."""

    same: int = 0
    """Vectors that the replay gave back, bit for bit."""
    scores: int = 0
    """Scores that the model's own bundle gave back; those of models that are not at hand are not looked at."""
    different: int = 0
    differences: list[Difference] = field(default_factory=list)
    """The first of those that differ."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Vectors that could not be compared, by the reason."""

    def differs(self, vector: ArchivedVector, what: str) -> None:
        """Count a difference."""
        self.different += 1
        if len(self.differences) < _MOST_DIFFERENCES:
            self.differences.append(Difference(vector=vector, what=what))


class Models:
    """The bundles of a folder, <name>/<version>, and the feature sets that they and this release know."""

    def __init__(self, bundles: Mapping[tuple[str, str], Bundle]) -> None:
        self._bundles = dict(bundles)
        self._feature_sets = {feature_set.fingerprint: feature_set for feature_set in FEATURE_SETS.values()}
        for bundle in bundles.values():
            spec = bundle.manifest.feature_set
            try:
                known = FeatureSet(
                    name=spec.name, features=spec.features, time_zone=spec.time_zone, countries=spec.countries
                )
            except FeatureSetError:
                continue  # of another release
            self._feature_sets[known.fingerprint] = known

    @classmethod
    def read(cls, directory: Path, *, warn: Callable[[str], None]) -> Models:
        """Read every bundle of a folder; of one that cannot be read, no score is checked."""
        bundles = {}
        for manifest in sorted(directory.glob("*/*/manifest.json")):
            folder = manifest.parent
            try:
                bundles[folder.parent.name, folder.name] = read_bundle(folder)
            except BundleError as error:
                warn(f"left aside: {error}")
        if not bundles:
            warn(f"{directory}: no bundle NAME/VERSION in it can be read, so no score is checked")
        return cls(bundles)

    def feature_set(self, fingerprint: str) -> FeatureSet | None:
        """Find a feature set; None if neither this release nor a bundle has it."""
        return self._feature_sets.get(fingerprint)

    def score(self, vector: ArchivedVector) -> float | None:
        """Score a vector with the model that was asked; None if its bundle is not at hand."""
        bundle = self._bundles.get((vector.model, vector.model_version))
        if bundle is None or bundle.manifest.feature_set.fingerprint != vector.fingerprint:
            return None
        (margin,) = bundle.model.margins(vector.values.reshape(1, -1)).tolist()
        return to_score(bundle.manifest.link, bundle.manifest.calibration, margin)


@dataclass(kw_only=True, slots=True)
class _Waiting:
    """A vector that the replay has not given back yet."""

    vector: ArchivedVector
    feature_set: FeatureSet
    left_out: str = _NO_EVENT
    """Why it could not be compared."""
    difference: str = ""
    """In what it differed, if it could."""


def audit(events: Iterable[ArchivedEvent], vectors: Iterable[ArchivedVector], models: Models) -> Audit:
    """Compare served vectors with those of a replay.

    A vector says which event its visitor's state had seen last. The replay stops there and featurizes for the same moment and
    session. An id may have counted more than once: sent again to a visitor who had been forgotten, or long after. The replay stops
    at each, and the vector has to come back at one of them. Of visitors without a vector nothing is folded.

    Args:
        events: Each visitor's in the order in which the servers applied them.
        vectors: What was served; kept in memory.
        models: Whose feature sets and scores are known.
    """
    result = Audit()
    waiting: dict[str, dict[bytes, list[_Waiting]]] = {}
    for vector in vectors:
        feature_set = models.feature_set(vector.fingerprint)
        if feature_set is None:
            result.left_out[_NO_FEATURE_SET] += 1
        elif vector.last_event:
            one = _Waiting(vector=vector, feature_set=feature_set)
            waiting.setdefault(vector.user_id, {}).setdefault(vector.last_event, []).append(one)
        elif difference := _difference(vector, None, feature_set):
            result.differs(vector, difference)
        else:
            _count_same(result, vector, models)
    _replay(events, waiting, result, models)
    for by_event in waiting.values():
        for left in chain.from_iterable(by_event.values()):
            if left.difference:
                result.differs(left.vector, left.difference)
            else:
                result.left_out[left.left_out] += 1
    return result


def _replay(
    events: Iterable[ArchivedEvent], waiting: dict[str, dict[bytes, list[_Waiting]]], result: Audit, models: Models
) -> None:
    """Take those that come back out of ``waiting``, and tell the others why they did not."""
    replay = Replay()
    for archived in events:
        event = archived.event
        by_event = waiting.get(event.user_id)
        if by_event is None:
            continue
        whole = archived.fresh or event.user_id in replay.states
        state = replay.fold(event, fresh=archived.fresh) if whole else None
        last_event = digest(event.event_id)
        left = []
        for one in by_event.pop(last_event, ()):
            if state is None:
                one.left_out = _NO_BEGINNING
            else:
                one.difference = _difference(one.vector, state, one.feature_set)
                if not one.difference:
                    _count_same(result, one.vector, models)
                    continue
            left.append(one)
        if left:
            by_event[last_event] = left


def _difference(vector: ArchivedVector, state: State | None, feature_set: FeatureSet) -> str:
    """Tell in what a vector is not what a state gives; empty if it is the same, bit for bit."""
    replayed = featurize(state, vector.as_of_unix_micros, feature_set, session_id=vector.session_id)
    if len(vector.values) != len(replayed):
        return f"expected {len(replayed)} features, got {len(vector.values)}"
    if vector.values.tobytes() == replayed.tobytes():
        return ""
    place = int(np.flatnonzero(vector.values.view(np.uint32) != replayed.view(np.uint32))[0])
    name, served, again = feature_set.features[place], vector.values[place], replayed[place]
    return f"{name}: served {served:g}, replayed {again:g}"


def _count_same(result: Audit, vector: ArchivedVector, models: Models) -> None:
    """Count a vector that came back, unless its score does not."""
    score = models.score(vector)
    if score is not None and abs(score - vector.score) > _SCORE_TOLERANCE * max(1.0, abs(score)):
        result.differs(vector, f"score: served {vector.score:.9g}, its bundle says {score:.9g}")
        return
    result.same += 1
    result.scores += score is not None
