"""The audit: served vectors compared with a replay of the archived events at the same points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np

from presage_export.bundle import Bundle, read_bundle
from presage_export.bundle.ranking import is_ranking_bundle
from presage_export.errors import BundleError
from presage_featurizer import FEATURE_SETS, FeatureSet, FeatureSetError, State, featurize
from presage_featurizer.custom import NO_AGGREGATES, CustomFeatures
from presage_featurizer.digests import digest
from presage_featurizer.event_log import ServedVector
from presage_training.auditing.result import NO_BEGINNING, NO_EVENT, AuditResult
from presage_training.readers.formats.archive import ArchivedEvent
from presage_training.replaying.replay import Replay

__all__ = [
    "NO_FEATURE_SET",
    "Models",
    "VectorDifference",
    "audit",
    "compare_vector",
]

SCORE, LENGTH = "score", "length"
_SCORE_TOLERANCE = 1e-6
"""Another processor may round a model's sums in another order."""
NO_FEATURE_SET = "feature set unknown to this release, to the bundles and to the project"


class VectorDifference(msgspec.Struct, frozen=True, kw_only=True):
    """How a vector differs from the replayed one, or its score from the bundle's."""

    feature: str
    """The first feature that differs; ``score``; or ``length`` if the vector has another number of features."""
    served: float
    expected: float
    others: int = 0
    """How many more features differ."""

    def __str__(self) -> str:
        if self.feature == LENGTH:
            return f"expected {self.expected:g} features, got {self.served:g}"
        if self.feature == SCORE:
            return f"score: served {self.served:.9g}, its bundle gives {self.expected:.9g}"
        others = f", and {self.others} more features differ" if self.others else ""
        return f"{self.feature}: served {self.served:g}, replayed {self.expected:g}{others}"


class Models:
    """The bundles of a folder, <name>/<version>, and the feature sets that they, this release and a project know."""

    def __init__(self, bundles: Mapping[tuple[str, str], Bundle], custom: CustomFeatures | None = None) -> None:
        self.bundles = dict(bundles)
        """By name and version."""
        self.aggregates = NO_AGGREGATES if custom is None else custom.aggregates
        """What the servers of the project fold."""
        own = () if custom is None else (custom.feature_set,)
        self._feature_sets = {feature_set.fingerprint: feature_set for feature_set in (*FEATURE_SETS.values(), *own)}
        for bundle in bundles.values():
            try:
                known = FeatureSet.restore(bundle.manifest.feature_set, custom)
            except FeatureSetError:
                continue  # of another release, or of another project
            self._feature_sets[known.fingerprint] = known

    @classmethod
    def read(
        cls,
        directory: Path,
        *,
        warn: Callable[[str], None],
        custom: CustomFeatures | None = None,
        known: Models | None = None,
    ) -> Models:
        """Read every bundle of a folder that scores visitors; of one that cannot be read, no score is checked.

        Args:
            directory: The folder, NAME/VERSION/.
            warn: Called with one line for each bundle that cannot be read.
            custom: The project's own features.
            known: Models whose bundles are kept unless the folder has others in their places.
        """
        bundles = {} if known is None else dict(known.bundles)
        for manifest in sorted(directory.glob("*/*/manifest.json")):
            folder = manifest.parent
            try:
                if not is_ranking_bundle(folder):  # those score no vectors
                    bundles[folder.parent.name, folder.name] = read_bundle(folder)
            except BundleError as error:
                warn(f"skipped: {error}")
        if not bundles:
            warn(f"{directory}: no bundle NAME/VERSION in it can be read, so no score is checked")
        return cls(bundles, custom)

    def feature_set(self, fingerprint: str) -> FeatureSet | None:
        """Find a feature set; None if neither this release nor a bundle has it."""
        return self._feature_sets.get(fingerprint)

    def score(self, vector: ServedVector) -> float | None:
        """Score a vector with the model that served it; None without its bundle."""
        bundle = self.bundles.get((vector.model, vector.model_version))
        if bundle is None or bundle.manifest.feature_set.fingerprint != vector.fingerprint:
            return None
        (score,) = bundle.scores(vector.features.reshape(1, -1))
        return score

    @staticmethod
    def score_difference(vector: ServedVector, score: float) -> VectorDifference | None:
        """Return how a served score differs from that of its bundle; None if it does not."""
        if abs(score - vector.score) <= _SCORE_TOLERANCE * max(1.0, abs(score)):
            return None
        return VectorDifference(feature=SCORE, served=vector.score, expected=score)


@dataclass(kw_only=True, slots=True)
class _PendingVector:
    """A vector that the replay has not reproduced yet."""

    vector: ServedVector
    feature_set: FeatureSet
    skipped: str = NO_EVENT
    """The reason why it could not be compared."""
    difference: str = ""
    """The difference found, if it was compared."""


def audit(
    events: Iterable[ArchivedEvent], vectors: Iterable[ServedVector], models: Models
) -> AuditResult[ServedVector]:
    """Compare served vectors with those of a replay.

    A vector names the last event of its visitor's state. The replay stops there and computes the features for the same moment and
    session. An event id may have counted more than once: repeated after the visitor's state expired, or long after. The replay
    stops at each occurrence, and has to reproduce the vector at one of them. Visitors without a vector are not folded.

    Args:
        events: The archived events, each visitor's in the order in which the servers applied them.
        vectors: The served vectors; kept in memory.
        models: The feature sets and bundles to compare with.
    """
    result = AuditResult[ServedVector]()
    pending: dict[str, dict[bytes, list[_PendingVector]]] = {}
    for vector in vectors:
        feature_set = models.feature_set(vector.fingerprint)
        if feature_set is None:
            result.skipped[NO_FEATURE_SET] += 1
        elif vector.last_event:
            candidate = _PendingVector(vector=vector, feature_set=feature_set)
            pending.setdefault(vector.user_id, {}).setdefault(vector.last_event, []).append(candidate)
        elif difference := compare_vector(vector, None, feature_set):
            result.add_difference(vector, str(difference))
        else:
            _count_same(result, vector, models)
    _replay(events, pending, result, models)
    for by_event in pending.values():
        for vector_left in chain.from_iterable(by_event.values()):
            if vector_left.difference:
                result.add_difference(vector_left.vector, vector_left.difference)
            else:
                result.skipped[vector_left.skipped] += 1
    return result


def _replay(
    events: Iterable[ArchivedEvent],
    pending: dict[str, dict[bytes, list[_PendingVector]]],
    result: AuditResult[ServedVector],
    models: Models,
) -> None:
    """Remove the vectors that are reproduced from ``pending``, and note the reason in the others."""
    replay = Replay(models.aggregates)
    for archived in events:
        event = archived.event
        by_event = pending.get(event.user_id)
        if by_event is None:
            continue
        is_complete = archived.fresh or event.user_id in replay.states
        state = replay.fold(event, fresh=archived.fresh) if is_complete else None
        last_event = digest(event.event_id)
        remaining = []
        for candidate in by_event.pop(last_event, ()):
            if state is None:
                candidate.skipped = NO_BEGINNING
            else:
                found = compare_vector(candidate.vector, state, candidate.feature_set)
                candidate.difference = "" if found is None else str(found)
                if found is None:
                    _count_same(result, candidate.vector, models)
                    continue
            remaining.append(candidate)
        if remaining:
            by_event[last_event] = remaining


def compare_vector(vector: ServedVector, state: State | None, feature_set: FeatureSet) -> VectorDifference | None:
    """Return how a vector differs from that of a state; None if they are the same, bit for bit."""
    replayed = featurize(state, vector.as_of_unix_micros, feature_set, session_id=vector.session_id)
    features = vector.features
    if len(features) != len(replayed):
        return VectorDifference(feature=LENGTH, served=len(features), expected=len(replayed))
    if features.tobytes() == replayed.tobytes():
        return None
    index, *others = np.flatnonzero(features.view(np.uint32) != replayed.view(np.uint32)).tolist()
    return VectorDifference(
        feature=feature_set.features[index],
        served=float(features[index]),
        expected=float(replayed[index]),
        others=len(others),
    )


def _count_same(result: AuditResult[ServedVector], vector: ServedVector, models: Models) -> None:
    """Count a reproduced vector, or a difference if its score differs."""
    score = models.score(vector)
    if score is not None and (difference := models.score_difference(vector, score)) is not None:
        result.add_difference(vector, str(difference))
        return
    result.same += 1
    result.scores += score is not None
