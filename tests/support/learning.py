"""Archives of simulated shops, as a learner reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from presage_featurizer import MICROS, Event, encode_event
from presage_featurizer.event_log import (
    Entry,
    EntryId,
    Exposure,
    ServedVector,
    encode_exposure,
    encode_served_vector,
    partition_of,
)
from presage_server.archive.folder import open_folder
from presage_server.archive.parts import parts_by_day
from presage_training.simulator import simulate

START = 1_767_571_200 * MICROS  # a Monday
DAY_MICROS = 86_400 * MICROS


def shop_events(*, visitors: int = 700, days: int = 21, seed: int = 3) -> list[Event]:
    return list(simulate(seed=seed, visitors=visitors, start_unix_micros=START, days=days))


def archive_batch(
    directory: Path,
    events: Sequence[Event],
    vectors: Iterable[ServedVector] = (),
    *,
    first: int,
    exposures: Iterable[Exposure] = (),
) -> None:
    """Append a batch to an archive: events, then served vectors or exposures; ``first`` numbers their entries."""
    entries = [
        Entry(partition_of(event.user_id), EntryId(first + number, 0), encode_event(event), False, b"")
        for number, event in enumerate(events)
    ]
    entries += [
        Entry(
            partition_of(vector.user_id),
            EntryId(first + len(events) + number, 0),
            b"",
            False,
            encode_served_vector(vector),
        )
        for number, vector in enumerate(vectors)
    ]
    entries += [
        Entry(
            partition_of(exposure.user_id),
            EntryId(first + len(events) + number, 0),
            b"",
            False,
            exposure=encode_exposure(exposure),
        )
        for number, exposure in enumerate(exposures)
    ]
    with open_folder(directory, new_id=lambda: "test") as folder:
        folder.commit(parts_by_day(entries), positions={}, entries=len(entries))
