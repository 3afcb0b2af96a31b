"""An archive's catalogue in training: each change from the moment on at which the store got it."""

from __future__ import annotations

from pathlib import Path

import pytest
from training.ranking.shops import DAY, START, item, walks

from presage_featurizer import MICROS, Event, encode_event
from presage_featurizer.event_log import BEGINNING, CatalogueCheckpoint, Entry, EntryId
from presage_featurizer.event_log.catalogue import ArchivedChange
from presage_featurizer.ranking.items_counter import CatalogueChange
from presage_server.archive.catalogue import CatalogueEntry
from presage_server.archive.catalogue_parts import changes_by_day
from presage_server.archive.folder import open_folder
from presage_server.archive.parts import parts_by_day
from presage_server.items.changes import encode_changes
from presage_training.experiment.logs import LogFile
from presage_training.ranking.catalogue import ArchivedCatalogue
from presage_training.ranking.catalogue_sources import CatalogueFile
from presage_training.ranking.planning import RankingOptions
from presage_training.ranking.runs import train_ranking
from presage_training.readers import LogFormat
from support.events import STORY

OPTIONS = RankingOptions(draws=100)


def an_archive(directory: Path, log: list[Event], changes: list[tuple[int, CatalogueChange]] | None) -> LogFile:
    """Archive events, and changes of the catalogue at their moments; as a release without catalogues does if they are None."""
    entries = [
        Entry(0, EntryId(event.event_time_unix_micros // 1_000, number), encode_event(event), no_prior_state=False)
        for number, event in enumerate(log)
    ]
    of_catalogue = [
        CatalogueEntry(EntryId(moment // 1_000, number), *encode_changes([change]), (change,))
        for number, (moment, change) in enumerate(changes or ())
    ]
    with open_folder(directory, new_id=lambda: "test") as folder:
        folder.commit(
            {**parts_by_day(entries), **changes_by_day(of_catalogue)},
            positions={},
            entries=len(entries),
            catalogue=None if changes is None else CatalogueCheckpoint(archived=len(of_catalogue)),
        )
    return LogFile(path=directory, source=LogFormat.ARCHIVE)


def described(number: int) -> CatalogueChange:
    found = item(number)
    return CatalogueChange(found.item_id, found.price_micros, found.category, found.brand, stock=0, blocked=False)


def test_a_model_is_trained_with_the_archives_catalogue_and_no_file(tmp_path):
    notes: list[str] = []
    log = walks(plain=True)
    dated = [(START - DAY, described(number)) for number in range(40)]
    archive = an_archive(tmp_path / "archive", log, dated)
    (tmp_path / "items.csv").write_text("item_id,category\nitem-1,coats\n")

    known = train_ranking(archive, tmp_path / "known", options=OPTIONS, on_note=notes.append)
    file = CatalogueFile(path=tmp_path / "items.csv")
    filed = train_ranking(archive, tmp_path / "filed", options=OPTIONS, catalogue=file, on_note=notes.append)

    assert (known.data.has_categories, known.data.has_prices, known.data.catalogue_items) == (True, True, 40)
    assert filed.data.catalogue_items == 1
    used = {name for name, share in known.importances.items() if share > 0.0}
    assert used & {"same_category", "price_to_newest", "price_to_interest", "category_share"}
    assert notes == [
        "items are described by the archive's catalogue, 40 changes",
        "items are described by the file, not by the catalogue in the archive",
    ]


@pytest.mark.slow
def test_an_archive_without_a_catalogue_is_trained_on_as_before_and_says_so(tmp_path):
    notes: list[str] = []
    older = an_archive(tmp_path / "older", walks(), None)
    late = an_archive(tmp_path / "late", walks(), [(START + 999 * DAY, described(1))])

    first = train_ranking(older, tmp_path / "first", options=OPTIONS, on_note=notes.append)
    second = train_ranking(late, tmp_path / "second", options=OPTIONS, on_note=notes.append)

    assert first.parts == second.parts
    assert first.data.catalogue_items == second.data.catalogue_items == 0
    assert notes[0].startswith("the archive has no catalogue, because a release before this one wrote it")
    assert (
        notes[2]
        == "no change of the archive's catalogue is older than its last event: give the items' file with --items"
    )


def test_changes_are_due_at_their_moments_and_after_what_was_said_before():
    def at(millis: int, change: CatalogueChange, number: int = 0) -> ArchivedChange:
        return ArchivedChange(EntryId(millis, number), number, change)

    old = CatalogueChange("a", price_micros=1 * MICROS, first_seen_unix_micros=10**18)
    undated = CatalogueChange("b", stock=1)
    new, newer = CatalogueChange("a", price_micros=2 * MICROS), CatalogueChange("c", stock=2)
    archived = [
        ArchivedChange(BEGINNING, 0, old),
        ArchivedChange(BEGINNING, 1, undated),
        at(5_000, new),
        at(9_000, newer),
    ]
    catalogue = ArchivedCatalogue(iter(archived))

    def due(unix_micros: int) -> list[tuple[int, CatalogueChange]]:
        return list(catalogue.due(Event("e", STORY[0].type, "ann", unix_micros)))

    assert due(4_999_999) == [(4_999_999, undated)]
    assert due(7_000_000) == [(5_000_000, old), (5_000_000, new)]
    assert due(8_000_000) == []
    assert due(9_000_000) == [(9_000_000, newer)]
    assert due(10**18) == []
    assert catalogue.items == 3
