"""The catalogue in an archive: its changes in the order in which servers applied them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from presage_featurizer import CorruptStateError
from presage_featurizer.event_log import BEGINNING, CATALOGUE_CHANGES, CatalogueCheckpoint
from presage_featurizer.event_log.catalogue import CATALOGUE_COLUMNS, ArchivedChange, read_change_rows
from presage_training.readers.formats.archive import archived_files, read_checkpoint, read_columns
from presage_training.readers.skipped_rows import SkippedRows

__all__ = ["archived_catalogue", "read_archived_changes"]

_ROWS_AT_ONCE = 8_192
_COLUMNS = tuple(column.name for column in CATALOGUE_COLUMNS)


def archived_catalogue(directory: Path) -> CatalogueCheckpoint | None:
    """Return how far an archive has the catalogue; None if it was written by a release that did not archive it."""
    found = read_checkpoint(directory).catalogue
    return found if isinstance(found, CatalogueCheckpoint) else None


def read_archived_changes(directory: Path, *, skipped: SkippedRows) -> Iterator[ArchivedChange]:
    """Read an archive's changes of the catalogue, each once, with one file in memory.

    What the catalogue had said when the archive began comes first, if entries had left the stream by then.

    Args:
        directory: The folder of ``presage archive --to``.
        skipped: Counts the entries that this release cannot read.

    Raises:
        OSError: The folder or a file cannot be opened.
        LogFormatError: The folder holds no archive, or a file in it cannot be read.
    """
    last = (BEGINNING, -1)
    for files in archived_files(directory, CATALOGUE_CHANGES):
        for path in files:  # by day, so that one batch is in the order of the stream
            for batch in read_columns(path, _COLUMNS).to_batches(max_chunksize=_ROWS_AT_ONCE):
                for change in read_change_rows(batch):
                    if isinstance(change, CorruptStateError):
                        skipped.add("unreadable change of the catalogue", where=path.name, what=str(change))
                        continue
                    place = (change.entry_id, change.number)
                    if place > last:  # an archiver that was killed at its beginning may have written some twice
                        last = place
                        yield change
