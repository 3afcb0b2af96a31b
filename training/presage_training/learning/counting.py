"""How many purchases an archive holds: batches that were counted are not read again."""

from __future__ import annotations

from pathlib import Path

import msgspec

from presage_featurizer import EventType
from presage_featurizer.event_log import EVENTS
from presage_training.learning.state import LearnState
from presage_training.readers.formats.archive import archived_batches, last_batch, read_checkpoint, read_event_files
from presage_training.readers.skipped_rows import SkippedRows

__all__ = ["count_new_purchases"]


def count_new_purchases(archive: Path, state: LearnState) -> LearnState:
    """Count the purchases in the batches of an archive that were not counted yet; another archive is counted from its start.

    Raises:
        OSError: The folder or a file cannot be opened.
        LogFormatError: The folder holds no archive, or a file in it cannot be read.
    """
    archive_id = read_checkpoint(archive).archive_id
    if archive_id != state.archive_id:
        state = msgspec.structs.replace(
            state, archive_id=archive_id, batch=0, purchases=0, trained_purchases=0, looked_batch=0
        )
    end = last_batch(archive)
    purchases = 0
    for number, files in archived_batches(archive, EVENTS, after=state.batch).items():
        purchases += sum(
            archived.event.type == EventType.PURCHASE for archived in read_event_files(files, SkippedRows())
        )
        end = max(end, number)
    return msgspec.structs.replace(state, batch=max(end, state.batch), purchases=state.purchases + purchases)
