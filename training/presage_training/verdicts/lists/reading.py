"""The pairs of lists of an archive, joined to what visitors took."""

from __future__ import annotations

from pathlib import Path

from presage_featurizer.event_log import EXPOSURES
from presage_training.readers.formats.archive import (
    archived_files,
    read_archive,
    read_archived_exposures,
    read_columns,
)
from presage_training.readers.skipped_rows import SkippedRows
from presage_training.verdicts.lists.outcomes import ListTarget, find_list_outcomes
from presage_training.verdicts.lists.rows import PairedLists

__all__ = ["has_exposures", "read_paired_lists"]


def read_paired_lists(
    archive: Path,
    *,
    model: str,
    versions: tuple[str, str],
    target: ListTarget,
    k: int = 10,
    since_unix_micros: int = 0,
    skipped: SkippedRows | None = None,
) -> PairedLists:
    """Read the lists that two versions have scored from an archive, with what visitors took.

    Args:
        archive: The folder of ``presage archive --to``.
        model: The model's name.
        versions: The two versions, A and B.
        target: What counts as taken.
        k: How many places of each order count.
        since_unix_micros: Lists from before this moment are left out.
        skipped: Counts the events that this release cannot read.

    Raises:
        OSError: The folder or a file cannot be opened.
        LogFormatError: The folder holds no archive, or a file in it cannot be read.
    """
    exposures = (
        exposure for exposure in read_archived_exposures(archive) if exposure.as_of_unix_micros >= since_unix_micros
    )
    events = read_archive(archive, skipped=skipped or SkippedRows())
    return find_list_outcomes(events, exposures, model=model, versions=versions, target=target, k=k)


def has_exposures(archive: Path, model: str) -> bool:
    """Return whether an archive has lists of a model; raises as ``read_paired_lists`` does."""
    return any(
        model in read_columns(path, ("model",))["model"].to_pylist()
        for files in archived_files(archive, EXPOSURES)
        for path in files
    )
