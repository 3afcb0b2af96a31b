"""What is seen of a folder that others write to."""

from __future__ import annotations

import shutil
import sys

import pytest

from presage_export.registry import ALIASES_FILE, Aliases, replace_aliases
from presage_server.errors import ModelError
from presage_server.models import watching
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


@pytest.fixture
def many(folder):
    """A folder in which ``conversion`` has versions 1 to 100, and the watch of it after two looks."""
    for version in range(2, 101):
        copy_bundle(folder / "conversion" / "1", folder / "conversion" / str(version))
    watch = FolderWatch(folder)
    watch.look()
    watch.look()
    return watch


def test_a_look_reads_what_may_serve_and_the_rest_now_and_then(folder, many, monkeypatch):
    list_files, read = watching._list_files, []
    monkeypatch.setattr(watching, "_list_files", lambda path: read.append(path.name) or list_files(path))
    replace_aliases(folder / "conversion", Aliases(champion="7"), now_unix_micros=1, changed_by="me", reason="a test")
    for _ in range(60):
        many.look([("conversion", "9")])
    assert {version: read.count(version) for version in ("7", "9", "100")} == {"7": 60, "9": 60, "100": 60}
    assert set(read) == {str(version) for version in range(1, 101)}
    assert len(read) < 6 * 60


def test_a_version_that_nothing_names_is_seen_to_change_when_it_is_named_or_its_turn_has_come(folder, many):
    for version in ("20", "21"):
        (folder / "conversion" / version / "golden.npz").write_bytes(b"")
    replace_aliases(folder / "conversion", Aliases(champion="20"), now_unix_micros=1, changed_by="me", reason="a test")
    before = many.found["conversion", "21"].files
    many.look()
    assert not many.found["conversion", "20"].settled
    for _ in range(60):
        many.look()
    assert many.found["conversion", "21"].files != before


def test_a_version_that_is_replaced_whole_is_seen_at_once(folder, many):
    shutil.copytree(folder / "conversion" / "20", folder / "conversion" / ".20")
    shutil.rmtree(folder / "conversion" / "20")
    (folder / "conversion" / ".20").rename(folder / "conversion" / "20")
    many.look()
    assert not many.found["conversion", "20"].settled
    many.look()
    assert many.found["conversion", "20"].settled


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file whose reads fail")
def test_aliases_that_cannot_be_read_for_now_are_read_at_every_look(folder, watch, monkeypatch):
    aliases = replace_aliases(
        folder / "conversion", Aliases(champion="1"), now_unix_micros=1, changed_by="me", reason="a test"
    )
    path = folder / "conversion" / ALIASES_FILE
    content = path.read_bytes()
    path.unlink()
    path.symlink_to("/proc/self/mem")  # reads fail as those of a failing disk do
    monkeypatch.setattr(watching, "_stamp", lambda _: (7, 7, 7))  # the same file all along
    for _ in range(3):
        found = watch.look()["conversion"].aliases
    assert found == f"{path}: cannot be read: Input/output error"
    path.unlink()
    path.write_bytes(content)
    assert watch.look()["conversion"].aliases == aliases


def test_what_is_no_bundle_is_left_alone(folder, watch):
    (folder / ".DS_Store").write_text("")
    (folder / "conversion" / ".DS_Store").write_text("")
    (folder / "README.md").write_text("")
    (folder / "lost+found" / "3").mkdir(parents=True)
    for stray in ("latest", "1.0-rc1", "v2", "copy of 1", "1 2"):
        (folder / "conversion" / stray).mkdir()
    (folder / "conversion" / "5").write_text("a file")
    (folder / "conversion" / "6").symlink_to("6")
    (folder / "conversion" / "7").symlink_to("nowhere")
    (folder / "conversion" / "8").symlink_to("1")
    assert {name: found.versions for name, found in watch.look().items()} == {
        "conversion": ("1", "8"),
        "second": ("2",),
    }


def test_a_folder_that_cannot_be_read_is_an_error(folder, watch, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("presage_server.models.watching.list_versions", refuse)
    with pytest.raises(ModelError, match="cannot be read: Permission denied"):
        watch.look()
