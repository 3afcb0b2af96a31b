from __future__ import annotations

import pytest

from benchmarks.visitor_page import LONG_VISITOR, main, write_archive
from presage_console.visitor.archive_reader import Histories


@pytest.mark.slow
def test_an_archive_has_what_it_is_said_to_have(tmp_path):
    write_archive(tmp_path, 3_000, 1_000)
    history = Histories(tmp_path).read(LONG_VISITOR)
    assert [row.event.event_id for row in history.rows] == [f"e{number}" for number in range(0, 3_000, 100)]
    assert [row.fresh for row in history.rows] == [True] + [False] * 29


@pytest.mark.slow
def test_the_table_has_both_sizes_of_files(capsys):
    assert main(["--events", "2000"]) == 0
    printed = capsys.readouterr().out
    assert "one visitor of an archive of 2,000 events" in printed
    assert "1,000" in printed
