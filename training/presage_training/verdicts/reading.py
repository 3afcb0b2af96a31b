"""The pairs of an archive, joined to what came of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

from presage_featurizer.event_log import ServedVector
from presage_training.datasets.targets import Target
from presage_training.readers.formats.archive import read_archive, read_archived_vectors
from presage_training.readers.skipped_rows import SkippedRows
from presage_training.verdicts.outcomes import Outcome, Outcomes, find_outcomes
from presage_training.verdicts.rows import PairedRows, Unmatched

__all__ = ["choose_of_sessions", "choose_rows", "pairs_of", "read_outcomes", "read_pairs"]


def read_pairs(
    archive: Path,
    *,
    model: str,
    versions: tuple[str, str],
    target: Target,
    since_unix_micros: int = 0,
    skipped: SkippedRows | None = None,
) -> PairedRows:
    """Read the pairs of two versions from an archive, one for each session of a visitor, with what came of them.

    Args:
        archive: The folder of ``presage archive --to``.
        model: The model's name.
        versions: The two versions, A and B.
        target: What the model predicts.
        since_unix_micros: Pairs from before this moment are left out.
        skipped: Counts the events that this release cannot read.

    Raises:
        OSError: The folder or a file cannot be opened.
        LogFormatError: The folder holds no archive, or a file in it cannot be read.
        VerdictError: The target is none that outcomes are known for.
    """
    outcomes = read_outcomes(
        archive,
        lambda vectors: pairs_of(vectors, model, versions),
        target,
        since_unix_micros=since_unix_micros,
        skipped=skipped,
    )
    return choose_rows(outcomes, model, versions, target)


def read_outcomes(
    archive: Path,
    choose: Callable[[Iterable[ServedVector]], Iterable[ServedVector]],
    target: Target,
    *,
    since_unix_micros: int,
    skipped: SkippedRows | None,
) -> Outcomes:
    """Read what came of the vectors of an archive that ``choose`` selects; otherwise as ``read_pairs``."""
    vectors = (vector for vector in read_archived_vectors(archive) if vector.as_of_unix_micros >= since_unix_micros)
    # The vectors are read first: what is archived meanwhile can only add events to those that they were scored after.
    chosen = list(choose(vectors))
    return find_outcomes(read_archive(archive, skipped=skipped or SkippedRows()), chosen, target)


def pairs_of(vectors: Iterable[ServedVector], model: str, versions: tuple[str, str]) -> Iterable[ServedVector]:
    """Select the vectors of a model that both versions have scored."""
    wanted = set(versions)
    return (vector for vector in vectors if vector.model == model and wanted <= _scores(vector).keys())


def choose_rows(outcomes: Outcomes, model: str, versions: tuple[str, str], target: Target) -> PairedRows:
    """Choose one known outcome of each session of a visitor, by chance, and order them by when they became known.

    Args:
        outcomes: Of vectors that both versions have scored.
        model: The model's name.
        versions: The two versions, A and B.
        target: What the outcomes are of.
    """
    chosen = choose_of_sessions(outcomes.found)
    matured = [outcome for outcome in chosen if outcome.matured_unix_micros < outcomes.log_end_unix_micros]
    matured.sort(key=lambda outcome: (outcome.matured_unix_micros, outcome.vector.user_id, outcome.session))
    users = {user_id: number for number, user_id in enumerate(dict.fromkeys(each.vector.user_id for each in matured))}
    scores = [_scores(outcome.vector) for outcome in matured]
    version_a, version_b = versions
    vectors = [outcome.vector for outcome in matured]
    return PairedRows(
        names=(f"{model}/{version_a}", f"{model}/{version_b}"),
        target=target.name,
        is_classification=target.is_classification,
        users=np.array([users[vector.user_id] for vector in vectors], np.int64),
        matured_unix_micros=np.array([outcome.matured_unix_micros for outcome in matured], np.int64),
        labels=np.array([outcome.label for outcome in matured], np.float64),
        scores_a=np.array([by_version[version_a] for by_version in scores], np.float64),
        scores_b=np.array([by_version[version_b] for by_version in scores], np.float64),
        arms=np.array([vector.arm for vector in vectors], np.int8),
        propensities=np.array([vector.propensity for vector in vectors], np.float64),
        served_a=_served(vectors, version_a),
        served_b=_served(vectors, version_b),
        unmatched=Unmatched(
            waiting=len(chosen) - len(matured),
            not_eligible=outcomes.not_eligible,
            unknown_event=outcomes.unknown_event,
            same_session=len(outcomes.found) - len(chosen),
        ),
    )


def choose_of_sessions(found: Iterable[Outcome]) -> list[Outcome]:
    """Choose one outcome of each session of a visitor, by chance."""
    chosen: dict[tuple[str, str], Outcome] = {}
    for outcome in found:
        key = outcome.vector.user_id, outcome.session
        known = chosen.get(key)
        if known is None or _draw(outcome) < _draw(known):
            chosen[key] = outcome
    return list(chosen.values())


def _served(vectors: Sequence[ServedVector], version: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.array([vector.model_version == version for vector in vectors], np.bool_)


def _scores(vector: ServedVector) -> dict[str, float]:
    return {vector.model_version: vector.score, **dict(vector.others)}


def _draw(outcome: Outcome) -> bytes:
    """Draw a number for a score that does not depend on what else is known, so that rows once chosen stay chosen."""
    vector = outcome.vector
    return blake2b(f"{vector.user_id}\0{vector.as_of_unix_micros}".encode(), digest_size=8).digest()
