"""Two versions of any model, compared by what an archive has of them: scores, or the lists of a model that ranks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from presage_export.bundle import read_manifest
from presage_training.datasets.targets import Target, parse_target
from presage_training.errors import VerdictError
from presage_training.readers.skipped_rows import SkippedRows
from presage_training.verdicts.comparing import Comparison, compare
from presage_training.verdicts.deciding import Decision, decide
from presage_training.verdicts.lists import (
    DEFAULT_TARGETS,
    ListComparison,
    ListTarget,
    compare_lists,
    decide_lists,
    has_exposures,
    parse_list_target,
    read_paired_lists,
)
from presage_training.verdicts.reading import read_pairs

__all__ = ["DEFAULT_TARGET", "VersionPair", "compare_versions", "find_target"]

DEFAULT_TARGET = "purchase-in-session"


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionPair:
    """Which versions are compared, and how."""

    archive: Path
    """The folder of ``presage archive --to``."""
    model: str
    versions: tuple[str, str]
    """A and B."""
    alpha: float
    """How likely it may be that an interval of the loss is ever wrong, over all looks."""
    since_unix_micros: int = 0
    """What was scored before this moment is left out."""
    k: int = 10
    """Places of a ranking model's order that count."""
    draws: int = 200
    seed: int = 7


def compare_versions(
    pair: VersionPair, target: Target | ListTarget, skipped: SkippedRows
) -> tuple[Comparison | ListComparison, Decision]:
    """Compare two versions, and say what follows for B as a challenger of A.

    Args:
        pair: The versions.
        target: What their scores, or their lists, are judged by.
        skipped: Counts the events that this release cannot read.

    Raises:
        OSError: The archive or a file cannot be opened.
        LogFormatError: The folder holds no archive, or a file in it cannot be read.
        VerdictError: The target is none that outcomes are known for, or a number is out of its range.
    """
    if isinstance(target, ListTarget):
        lists = read_paired_lists(
            pair.archive,
            model=pair.model,
            versions=pair.versions,
            target=target,
            k=pair.k,
            since_unix_micros=pair.since_unix_micros,
            skipped=skipped,
        )
        compared = compare_lists(lists, alpha=pair.alpha, draws=pair.draws, seed=pair.seed)
        return compared, decide_lists(compared)
    rows = read_pairs(
        pair.archive,
        model=pair.model,
        versions=pair.versions,
        target=target,
        since_unix_micros=pair.since_unix_micros,
        skipped=skipped,
    )
    comparison = compare(rows, alpha=pair.alpha, draws=pair.draws, seed=pair.seed)
    return comparison, decide(comparison)


def find_target(
    archive: Path, models: Path | None, name: str, versions: tuple[str, str], target: str | None
) -> Target | ListTarget:
    """Find what two versions are judged by: as given, or as their bundles say.

    Args:
        archive: The folder of ``presage archive --to``.
        models: The folder of bundles; None: nothing is known of the versions.
        name: The model's name.
        versions: The two versions.
        target: As it was given; None if it was not.

    Raises:
        VerdictError: The versions do not predict the same, or the target is not one that outcomes are known for.
        ExportError: A bundle cannot be read.
        LogFormatError: The folder holds no archive, or a file in it cannot be read.
    """
    if target is not None:
        is_list = target.startswith(("taken", "bought"))
        return parse_list_target(target) if is_list else parse_target(target)
    if models is None:
        return ListTarget() if has_exposures(archive, name) else parse_target(DEFAULT_TARGET)
    manifests = [read_manifest((models / name / version).resolve()) for version in versions]
    questions = [each.ranking.question for each in manifests if not isinstance(each.ranking, msgspec.UnsetType)]
    if questions:
        return parse_list_target(DEFAULT_TARGETS.get(questions[-1], ListTarget().name))
    said = {str(manifest.data.get("target", DEFAULT_TARGET)) for manifest in manifests}
    if len(said) > 1:
        raise VerdictError(f"{name}: expected versions that predict the same, got {' and '.join(sorted(said))}")
    return parse_target(said.pop())
