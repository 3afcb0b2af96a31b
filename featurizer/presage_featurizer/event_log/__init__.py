"""The format of the event log: the streams that servers write, and the archive of them that training reads.

Names and bytes here are stored, so they may not change: tests pin them. No I/O: reading and writing streams, files and Parquet
belongs to the packages that use this.
"""

from __future__ import annotations

from presage_featurizer.event_log.archive import (
    ARCHIVE_VERSION,
    CHECKPOINT_FILE,
    EVENT_COLUMNS,
    EVENTS,
    ITEM_COLUMNS,
    PARTS_GLOB,
    PLACE_COLUMNS,
    STAGING_FOLDER,
    VECTOR_COLUMNS,
    VECTORS,
    Checkpoint,
    Column,
    Position,
    batch_of,
    day_folder,
    decode_checkpoint,
    encode_checkpoint,
    part_file,
    staged_file,
)
from presage_featurizer.event_log.exposures import Exposure, decode_exposure, encode_exposure
from presage_featurizer.event_log.rows import NEWER_EVENT_COLUMNS, ArchivedRow, read_event_rows
from presage_featurizer.event_log.streams import (
    BEGINNING,
    EVENT_FIELD,
    EXPOSURE_FIELD,
    NO_PRIOR_STATE_FIELD,
    PARTITIONS,
    VECTOR_FIELD,
    Entry,
    EntryId,
    ServedVector,
    decode_served_vector,
    encode_served_vector,
    last_event_of,
    partition_of,
    stream_key,
)

__all__ = [
    "ARCHIVE_VERSION",
    "BEGINNING",
    "CHECKPOINT_FILE",
    "EVENTS",
    "EVENT_COLUMNS",
    "EVENT_FIELD",
    "EXPOSURE_FIELD",
    "ITEM_COLUMNS",
    "NEWER_EVENT_COLUMNS",
    "NO_PRIOR_STATE_FIELD",
    "PARTITIONS",
    "PARTS_GLOB",
    "PLACE_COLUMNS",
    "STAGING_FOLDER",
    "VECTORS",
    "VECTOR_COLUMNS",
    "VECTOR_FIELD",
    "ArchivedRow",
    "Checkpoint",
    "Column",
    "Entry",
    "EntryId",
    "Exposure",
    "Position",
    "ServedVector",
    "batch_of",
    "day_folder",
    "decode_checkpoint",
    "decode_exposure",
    "decode_served_vector",
    "encode_checkpoint",
    "encode_exposure",
    "encode_served_vector",
    "last_event_of",
    "part_file",
    "partition_of",
    "read_event_rows",
    "staged_file",
    "stream_key",
]
