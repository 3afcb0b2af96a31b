from __future__ import annotations

import pytest

from presage_training.errors import LogFormatError
from presage_training.readers import LogFormat, ReadProgress, SkippedRows, read_events
from presage_training.readers.log_files import log_parts

LINE = '{"type": "LOGIN", "user_id": "ann", "event_time_unix_micros": 1}\n'


@pytest.fixture
def folder(tmp_path):
    for name in ("b/day.jsonl", "a/day.jsonl", "a/night.jsonl", ".hidden.jsonl", "_SUCCESS.jsonl", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(LINE)
    return tmp_path


def test_a_folder_is_a_log_of_its_files_in_the_order_of_their_names(folder):
    progress = ReadProgress()
    events = list(read_events(folder, LogFormat.PRESAGE, skipped=SkippedRows(), progress=progress))

    assert [event.event_id for event in events] == ["a/day:1", "a/night:1", "b/day:1"]
    assert progress.share == 1.0


def test_a_pattern_is_a_log_of_the_files_that_match(folder):
    assert [part.stem for part in log_parts(folder / "*" / "day.*")] == ["a/day", "b/day"]
    assert [part.stem for part in log_parts(folder / "a" / "day.jsonl")] == ["day"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(folder):
    (folder / "[a].jsonl").write_text(LINE)

    assert [part.path.name for part in log_parts(folder / "[a].jsonl")] == ["[a].jsonl"]


def test_an_example_names_its_file(folder):
    (folder / "b" / "day.jsonl").write_text("nonsense\n")
    skipped = SkippedRows()
    list(read_events(folder, LogFormat.PRESAGE, skipped=skipped))

    assert [example.where for examples in skipped.examples.values() for example in examples] == ["day.jsonl line 1"]


@pytest.mark.parametrize(
    ("name", "problem"), [("empty", "the folder holds no log"), ("*.xls", "no file matches the pattern")]
)
def test_a_log_without_files_is_refused(folder, name, problem):
    (folder / "empty").mkdir()

    with pytest.raises(LogFormatError, match=problem):
        log_parts(folder / name)


def test_the_same_file_twice_is_refused(folder):
    (folder / "a" / "day.csv").write_text("a")

    with pytest.raises(LogFormatError, match=r"day\.csv and day\.jsonl look like the same file twice"):
        log_parts(folder)


def test_names_that_say_little_count_where_there_are_no_others(folder):
    for name in ("part-00000", "part-00001.gz", "events.log"):
        (folder / "raw").mkdir(exist_ok=True)
        (folder / "raw" / name).write_text(LINE)

    assert [part.path.name for part in log_parts(folder / "raw")] == ["events.log", "part-00000", "part-00001.gz"]
    assert {part.path.suffix for part in log_parts(folder)} == {".jsonl"}
