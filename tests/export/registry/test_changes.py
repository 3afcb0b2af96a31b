"""Going back: to the aliases before the last change, or to the last valid ones where the file is broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from presage_export.registry import (
    ALIASES_FILE,
    CHANGES_FILE,
    Aliases,
    AliasesError,
    StaleAliasesError,
    find_aliases_before,
    read_aliases,
    read_change_log,
    read_changes,
    replace_aliases,
)

NOW = 1_700_000_000_000_000


def change(folder: Path, **fields: object) -> Aliases:
    aliases = replace(read_aliases(folder), **fields)
    return replace_aliases(folder, aliases, now_unix_micros=NOW, changed_by="test", reason="to try")


def roll_back(folder: Path) -> Aliases:
    before = find_aliases_before(folder)
    return replace_aliases(folder, before, now_unix_micros=NOW, changed_by="test", reason="back", repair=True)


def test_the_last_change_is_taken_back_and_taking_back_is_a_change_too(tmp_path):
    change(tmp_path, champion="1")
    change(tmp_path, champion="2", challenger="3", challenger_share=0.1, salt="abc")

    assert roll_back(tmp_path) == Aliases(champion="1", revision=3)
    assert roll_back(tmp_path) == Aliases(champion="2", challenger="3", challenger_share=0.1, salt="abc", revision=4)
    assert [(made.before.champion, made.after.champion) for made in read_changes(tmp_path)] == [
        ("", "1"),
        ("1", "2"),
        ("2", "1"),
        ("1", "2"),
    ]


def test_before_the_first_change_no_version_was_named(tmp_path):
    change(tmp_path, champion="1")

    assert roll_back(tmp_path) == Aliases(revision=2)


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"champion": "../.."}', b'{"champion": "2", "challenger": "2"}', b'{"champion": "\xff"}']
)
def test_a_broken_file_is_replaced_by_the_last_valid_one(tmp_path, content):
    change(tmp_path, champion="1")
    change(tmp_path, champion="2")
    (tmp_path / ALIASES_FILE).write_bytes(content)

    assert roll_back(tmp_path) == Aliases(champion="2", revision=3)
    assert read_aliases(tmp_path) == Aliases(champion="2", revision=3)


def test_a_broken_file_is_not_replaced_by_other_changes(tmp_path):
    change(tmp_path, champion="1")
    (tmp_path / ALIASES_FILE).write_text("{")

    with pytest.raises(AliasesError, match="presage models rollback puts the last valid ones back"):
        replace_aliases(
            tmp_path, Aliases(champion="2", revision=1), now_unix_micros=NOW, changed_by="test", reason="to try"
        )
    assert (tmp_path / ALIASES_FILE).read_text() == "{"


def test_what_was_edited_by_hand_is_taken_back_to_the_last_change(tmp_path):
    kept = change(tmp_path, champion="1")
    (tmp_path / ALIASES_FILE).write_text('{"champion": "7", "revision": 1}')

    assert find_aliases_before(tmp_path) == kept


def test_a_change_that_was_cut_off_before_it_held_is_not_taken_back(tmp_path):
    change(tmp_path, champion="1")
    change(tmp_path, champion="2")
    held = (tmp_path / ALIASES_FILE).read_bytes()
    change(tmp_path, champion="3")
    (tmp_path / ALIASES_FILE).write_bytes(held)

    assert find_aliases_before(tmp_path) == Aliases(champion="1", revision=2)


def test_without_a_change_there_is_nothing_to_go_back_to(tmp_path):
    with pytest.raises(AliasesError, match=rf"{CHANGES_FILE}: has no change to roll back"):
        find_aliases_before(tmp_path)
    (tmp_path / ALIASES_FILE).write_text("{")
    with pytest.raises(AliasesError, match="correct the file, or remove it"):
        find_aliases_before(tmp_path)


def test_a_rollback_that_was_decided_on_older_aliases_changes_nothing(tmp_path):
    change(tmp_path, champion="1")
    before = find_aliases_before(tmp_path)
    kept = change(tmp_path, champion="2")

    with pytest.raises(StaleAliasesError, match="expected revision 2, got 1"):
        replace_aliases(tmp_path, before, now_unix_micros=NOW, changed_by="test", reason="back", repair=True)
    assert read_aliases(tmp_path) == kept


@pytest.mark.parametrize("line", [b"{", b'{"changed_by": "\xff"}', b""])
def test_a_line_that_cannot_be_read_is_left_out_and_named(tmp_path, line):
    change(tmp_path, champion="1")
    with (tmp_path / CHANGES_FILE).open("ab") as file:
        file.write(line + b"\n")
    change(tmp_path, champion="2")

    log = read_change_log(tmp_path)
    assert [made.after.champion for made in log.changes] == ["1", "2"]
    expected = f"{tmp_path / CHANGES_FILE}: 1 of 3 lines cannot be read and are left out: 2" if line else ""
    assert log.problem == expected


def test_of_a_history_that_cannot_be_read_the_first_lines_are_named(tmp_path):
    (tmp_path / CHANGES_FILE).write_bytes(b"\x00junk\n" * 12)

    problem = (
        f"{tmp_path / CHANGES_FILE}: 12 of 12 lines cannot be read and are left out: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ..."
    )
    assert read_change_log(tmp_path) == ([], problem)
    with pytest.raises(AliasesError, match="12 of 12 lines cannot be read"):
        find_aliases_before(tmp_path)


def test_a_line_of_a_newer_release_is_left_out(tmp_path):
    change(tmp_path, champion="1")
    content = (tmp_path / CHANGES_FILE).read_bytes()
    (tmp_path / CHANGES_FILE).write_bytes(content.replace(b'"format_version":1', b'"format_version":2') + content)

    assert [made.after.champion for made in read_changes(tmp_path)] == ["1"]
