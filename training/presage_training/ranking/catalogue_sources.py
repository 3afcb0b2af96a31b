"""Where a catalogue for training comes from: a file of items, or the archive that is trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from presage_training.experiment.logs import LogFile, LogSource
from presage_training.ranking.catalogue import ArchivedCatalogue, Catalogue, DatedCatalogue
from presage_training.readers import LogFormat, SkippedRows
from presage_training.readers.catalogue import read_catalogue
from presage_training.readers.formats.archived_catalogue import archived_catalogue, read_archived_changes

__all__ = ["CatalogueFile", "open_catalogue"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogueFile:
    """The file that ``presage items load`` sends to servers."""

    path: Path
    columns: str = ""
    """The columns that are not named like their field, as in ``item_id=sku,price=unit_price``."""


def open_catalogue(
    log: LogSource, file: CatalogueFile | None, *, skipped: SkippedRows, on_note: Callable[[str], None]
) -> Catalogue | None:
    """Open the catalogue of a log: the file, if there is one, or else what an archive has.

    Args:
        log: What is trained on.
        file: The items' file.
        skipped: Counts the rows that cannot be used; those of an archive while the log is replayed.
        on_note: Called with a line that says what is used of an archive.

    Returns:
        The catalogue; None if events alone say what items are.

    Raises:
        TrainingError: The file or the archive cannot be read; the message names it.
        OSError: It cannot be opened.
    """
    archive = log.path if isinstance(log, LogFile) and log.source is LogFormat.ARCHIVE else None
    found = None if archive is None else archived_catalogue(archive)
    if file is not None:
        if found is not None and found.archived:
            on_note("items are described by the file, not by the catalogue in the archive")
        return DatedCatalogue(read_catalogue(file.path, file.columns, skipped=skipped))
    if archive is None:
        return None
    if found is None:
        on_note(
            "the archive has no catalogue, because a release before this one wrote it: only events say what items are; give the "
            "items' file with --items if the shop has one"
        )
        return None
    if found.archived:
        before = ""
        if found.missed is None:
            before = "; those that had left the store when the archive began are not known"
        elif found.missed:
            before = "; of those before the archive began, only the result is known"
        on_note(f"items are described by the archive's catalogue, {found.archived:,} changes{before}")
    return ArchivedCatalogue(read_archived_changes(archive, skipped=skipped))
