"""What is seen of a folder that others write to."""

from __future__ import annotations

import shutil

import pytest

from presage_export.registry import ALIASES_FILE, Aliases, replace_aliases
from presage_server.errors import ModelError
from presage_server.models.watching import FolderWatch
from support.bundle_files import copy_bundle


@pytest.fixture
def folder(models, tmp_path):
    return shutil.copytree(models, tmp_path / "models")


@pytest.fixture
def watch(folder):
    watch = FolderWatch(folder)
    watch.look()
    return watch


def test_what_is_there_at_first_is_complete(folder):
    watch = FolderWatch(folder)
    assert {name: found.versions for name, found in watch.look().items()} == {"conversion": ("1",), "second": ("2",)}
    assert all(found.settled for found in watch.found.values())


def test_a_copy_is_complete_when_it_has_all_files_and_grows_no_more(folder, watch):
    """As cp -r makes it, one file after the other; the manifest may come first."""
    source, target = folder / "conversion" / "1", folder / "conversion" / "2"
    target.mkdir()
    others = sorted(path.name for path in source.iterdir() if path.name != "manifest.json")
    for name in ("manifest.json", *others):
        half = (source / name).read_bytes()
        (target / name).write_bytes(half[: len(half) // 2])
        assert watch.look()["conversion"].versions == ("1", "2")
        assert not watch.found["conversion", "2"].settled
        (target / name).write_bytes(half)
        watch.look()
        assert not watch.found["conversion", "2"].settled
    watch.look()
    assert watch.found["conversion", "2"].settled


@pytest.mark.parametrize("missing", ["manifest.json", "model.onnx"])
def test_a_copy_that_stays_incomplete_is_stuck_until_it_goes_on(folder, watch, missing):
    target = copy_bundle(folder / "conversion" / "1", folder / "conversion" / "2")
    (target / missing).unlink()
    for _ in range(10):
        watch.look()
        found = watch.found["conversion", "2"]
        assert (found.settled, found.stuck) == (False, False)
    watch.look()
    found = watch.found["conversion", "2"]
    assert (found.settled, found.stuck, found.missing) == (False, True, missing)
    (target / "note.txt").write_text("")
    watch.look()
    assert not watch.found["conversion", "2"].stuck


@pytest.mark.parametrize("content", [b"{", b'{"files": {"\xff": ""}}'], ids=["cut", "no UTF-8"])
def test_a_manifest_that_cannot_be_read_is_for_verification(folder, watch, content):
    target = copy_bundle(folder / "conversion" / "1", folder / "conversion" / "2")
    (target / "manifest.json").write_bytes(content)
    watch.look()
    watch.look()
    assert watch.found["conversion", "2"].settled


def test_a_folder_that_is_gone_for_a_moment_is_still_there(folder, watch):
    """As while write_bundle replaces it."""
    (folder / "conversion" / "1").rename(folder / "conversion" / ".1.old")
    assert watch.look()["conversion"].versions == ("1",)
    assert "conversion" not in watch.look()
    (folder / "conversion" / ".1.old").rename(folder / "conversion" / "1")
    assert watch.look()["conversion"].versions == ("1",)


def test_versions_come_in_the_order_of_their_numbers(folder, watch):
    for version in ("10", "9", "1.5"):
        copy_bundle(folder / "conversion" / "1", folder / "conversion" / version)
    assert watch.look()["conversion"].versions == ("1", "1.5", "9", "10")


def test_aliases_are_seen_at_once_and_those_that_are_not_valid_at_the_second_look(folder, watch):
    aliases = replace_aliases(
        folder / "conversion", Aliases(champion="1"), now_unix_micros=1, changed_by="me", reason="a test"
    )
    assert watch.look()["conversion"].aliases == aliases
    assert watch.look()["conversion"].history() == (aliases, Aliases())
    (folder / "conversion" / ALIASES_FILE).write_text("{")
    assert watch.look()["conversion"].aliases == aliases
    for _ in range(2):
        assert "conversion/aliases.json: is not valid: Input data was truncated" in watch.look()["conversion"].aliases


def test_aliases_that_are_gone_for_a_moment_still_hold(folder, watch):
    """As while an editor replaces the file in two steps: for that moment the highest version would serve everybody."""
    aliases = replace_aliases(
        folder / "conversion", Aliases(champion="1"), now_unix_micros=1, changed_by="me", reason="a test"
    )
    watch.look()
    (folder / "conversion" / ALIASES_FILE).rename(folder / "kept.json")
    assert watch.look()["conversion"].aliases == aliases
    (folder / "kept.json").rename(folder / "conversion" / ALIASES_FILE)
    assert watch.look()["conversion"].aliases == aliases
    (folder / "conversion" / ALIASES_FILE).unlink()
    assert watch.look()["conversion"].aliases == aliases
    assert watch.look()["conversion"].aliases == Aliases()


def test_a_folder_that_cannot_be_read_is_an_error(folder, watch, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("presage_server.models.watching.find_versions", refuse)
    with pytest.raises(ModelError, match="cannot be read: Permission denied"):
        watch.look()
