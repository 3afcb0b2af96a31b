"""The archive's folder: whole or not at all, and clear about what is wrong with it."""

from __future__ import annotations

import json

import pytest

from presage_featurizer.event_log import EntryId, Position
from presage_server.archive.errors import ArchiveFolderError
from presage_server.archive.folder import open_folder

POSITIONS = {3: Position(EntryId(7, 1), counted=2)}


def writes(text: bytes):
    return lambda stream: stream.write(text)


def open_archive(path):
    return open_folder(path, new_id=lambda: "an-id")


def test_what_was_committed_is_there_when_the_folder_is_opened_again(tmp_path):
    with open_archive(tmp_path / "a" / "b") as folder:
        folder.commit(
            {"events/day=2026-01-02": writes(b"two"), "events/day=2026-01-01": writes(b"one")},
            positions=POSITIONS,
            entries=2,
        )
        folder.commit({}, positions=POSITIONS, entries=0)
    with open_folder(tmp_path / "a" / "b", new_id=lambda: "another") as folder:
        assert folder.checkpoint.archive_id == "an-id"
        assert (folder.checkpoint.batch, folder.checkpoint.archived) == (1, 2)
        assert folder.checkpoint.positions == POSITIONS
    files = {path.parent.name: path.read_bytes() for path in tmp_path.glob("a/b/events/*/part-0000000001.parquet")}
    assert files == {"day=2026-01-01": b"one", "day=2026-01-02": b"two"}
    assert list(tmp_path.glob("a/b/staging/*")) == []


def test_a_part_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    def fails(stream):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    with open_archive(tmp_path) as folder:
        with pytest.raises(ArchiveFolderError, match="cannot be written: No space left on device; nothing is lost"):
            folder.commit({"events/day=2026-01-01": fails}, positions=POSITIONS, entries=1)
        assert folder.checkpoint.batch == 0
    assert list(tmp_path.rglob("*.parquet")) == []


def test_a_folder_has_one_writer_at_a_time(tmp_path):
    with (
        open_archive(tmp_path),
        pytest.raises(ArchiveFolderError, match="is in use by another presage archive"),
        open_archive(tmp_path),
    ):
        pass


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ArchiveFolderError, match="cannot be written: Not a directory"),
        open_archive(tmp_path / "file" / "a"),
    ):
        pass


def test_events_without_their_checkpoint_are_refused(tmp_path):
    with open_archive(tmp_path) as folder:
        folder.commit({"events/day=2026-01-01": writes(b"one")}, positions=POSITIONS, entries=1)
    (tmp_path / "archive.json").unlink()
    with (
        pytest.raises(ArchiveFolderError, match=r"no archive\.json, so where to go on is unknown"),
        open_archive(tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, r"archive\.json: expected version 1, got 2"),
        ({"files": ["../../elsewhere"]}, r"archive\.json: names a file that is not part of an archive"),
        ({"positions": 5}, r"archive\.json: cannot be read \(Expected `object`"),
    ],
)
def test_a_checkpoint_that_makes_no_sense_is_refused(tmp_path, changes, message):
    with open_archive(tmp_path):
        pass
    file = tmp_path / "archive.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(ArchiveFolderError, match=message), open_archive(tmp_path):
        pass
