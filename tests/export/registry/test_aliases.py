"""Which versions serve: read, checked and replaced whole."""

from __future__ import annotations

import threading

import pytest

from presage_export.registry import (
    ALIASES_FILE,
    CHANGES_FILE,
    Aliases,
    AliasesError,
    StaleAliasesError,
    read_aliases,
    read_changes,
    replace_aliases,
)


def change(folder, aliases, now=1):
    return replace_aliases(folder, aliases, now_unix_micros=now, changed_by="ann", reason="a test")


def test_a_model_without_a_file_has_the_defaults(tmp_path):
    assert read_aliases(tmp_path) == Aliases()


def test_what_was_written_is_read_with_the_next_revision(tmp_path):
    written = change(tmp_path, Aliases(champion="3", challenger="4", challenger_share=0.1, salt="spring"))

    assert written.revision == 1
    assert read_aliases(tmp_path) == written


def test_each_change_has_a_line_in_the_history(tmp_path):
    first = change(tmp_path, Aliases(champion="3"), now=10)
    second = change(tmp_path, Aliases(champion="4", revision=1), now=20)
    with (tmp_path / CHANGES_FILE).open("a") as file:
        file.write('{"changed_at_unix_micros": 30, "chan')  # the writer was killed

    history = list(read_changes(tmp_path))
    assert [(entry.before, entry.after) for entry in history] == [(Aliases(), first), (first, second)]
    assert [entry.changed_at_unix_micros for entry in history] == [10, 20]


def test_a_line_after_one_that_was_cut_is_read(tmp_path):
    (tmp_path / CHANGES_FILE).write_text('{"changed_at_unix_micros": 30, "chan')
    change(tmp_path, Aliases(champion="3"))

    assert [entry.after.champion for entry in read_changes(tmp_path)] == ["3"]


def test_a_change_that_was_decided_on_older_aliases_is_refused(tmp_path):
    change(tmp_path, Aliases(champion="3"))

    with pytest.raises(StaleAliasesError, match="expected revision 1, got 0"):
        change(tmp_path, Aliases(champion="4"))
    assert read_aliases(tmp_path).champion == "3"
    assert len(list(read_changes(tmp_path))) == 1


def test_of_changes_at_once_one_wins(tmp_path):
    outcomes = []

    def try_one(version):
        try:
            outcomes.append(change(tmp_path, Aliases(champion=version)).champion)
        except StaleAliasesError:
            outcomes.append("")

    threads = [threading.Thread(target=try_one, args=(str(version),)) for version in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes)[:-1] == [""] * 7
    assert read_aliases(tmp_path).champion == max(outcomes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"champion": "latest"}', "champion: expected a version"),
        ('{"champion": "3", "challenger": "3"}', "challenger: expected not the champion"),
        ('{"champion": "3", "challenger": "4", "challenger_share": 1.5}', "challenger_share: expected 0 to 1"),
        ('{"champion": "3", "challenger_share": 0.5}', "challenger_share: expected 0 without a challenger"),
        ('{"shadow": "3"}', "champion: expected a version"),
        ('{"champion": "3", "chalenger": "4"}', "chalenger"),
        ('{"rollback": {"paired_alpha": 0}}', r"rollback\.paired_alpha: expected above 0"),
        ('{"format_version": 2}', "format_version: expected 1"),
        ("{", "truncated"),
    ],
)
def test_aliases_that_make_no_sense_name_the_file_and_the_field(tmp_path, text, said):
    (tmp_path / ALIASES_FILE).write_text(text)

    with pytest.raises(AliasesError, match=said) as raised:
        read_aliases(tmp_path)
    assert ALIASES_FILE in str(raised.value)
