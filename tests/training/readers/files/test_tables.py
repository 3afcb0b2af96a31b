from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from presage_training.errors import LogFormatError, TrainingError
from presage_training.readers import LogFormat, SkippedExample, SkippedRows, read_events
from presage_training.readers.files.tables import file_stem, read_batches


def read(path, columns=("b", "a")):
    """Return the rows, each with its number, and what was left out."""
    skipped = SkippedRows()
    batches = read_batches(path, columns, skipped=skipped)
    return [
        row for batch in batches for row in zip(batch.numbers, zip(*batch.columns, strict=True), strict=True)
    ], skipped


def test_values_come_in_the_order_of_the_wanted_columns(tmp_path):
    (tmp_path / "t.csv").write_text("a,x,b\n1,,2\n3,,4\n")
    parquet.write_table(pa.table({"a": [1, 3], "x": [None, None], "b": [2, 4]}), tmp_path / "t.parquet")

    assert read(tmp_path / "t.csv")[0] == [(1, ("2", "1")), (2, ("4", "3"))]
    assert read(tmp_path / "t.parquet")[0] == [(1, (2, 1)), (2, (4, 3))]


def test_arrow_reads_parquet_by_itself(tmp_path, monkeypatch):
    """Its threads let go of a file some time after a read. Were it a file of Python's, a process that ends then would abort."""
    sources = []
    opened = parquet.ParquetFile

    def note(source, **options):
        sources.append(source)
        return opened(source, **options)

    monkeypatch.setattr(parquet, "ParquetFile", note)
    parquet.write_table(pa.table({"a": [1], "b": [2]}), tmp_path / "t.parquet")

    assert read(tmp_path / "t.parquet")[0] == [(1, (2, 1))]
    assert [type(source) for source in sources] == [pa.OSFile]


def test_a_header_of_very_many_columns_is_told_in_short(tmp_path):
    (tmp_path / "t.csv").write_text(",".join(f"column \x1b[2J{number} {'x' * 999}" for number in range(5_000)) + "\n")
    with pytest.raises(LogFormatError) as refused:
        read(tmp_path / "t.csv")

    message = str(refused.value)
    assert "no column 'b', 'a' among 'column \\x1b[2J0 xxx" in message.replace("\\\\", "\\")
    assert message.isprintable()
    assert len(message) < 2_000


def test_row_numbers_go_on_over_batches_and_row_groups(tmp_path):
    numbers = list(range(1, 40_001))
    parquet.write_table(pa.table({"a": numbers, "b": numbers}), tmp_path / "t.parquet", row_group_size=3_000)

    assert read(tmp_path / "t.parquet")[0] == [(number, (number, number)) for number in numbers]


@pytest.mark.parametrize(
    ("damaged", "cells"), [("1", 1), ("1,2,3", 3), ('"1,2', 1), pytest.param("1," + "9" * 200_000, 1, id="endless")]
)
def test_a_row_of_the_wrong_width_is_counted_and_costs_no_other(tmp_path, damaged, cells):
    (tmp_path / "t.csv").write_text(f"a,b\n1,2\n{damaged}\n5,6\n")
    rows, skipped = read(tmp_path / "t.csv")

    assert rows == [(1, ("2", "1")), (3, ("6", "5"))]
    assert skipped.counts == {"wrong number of cells": 1}
    assert skipped.examples["wrong number of cells"] == [SkippedExample("row 2", f"expected 2 cells, got {cells}")]


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_the_cells(tmp_path):
    (tmp_path / "t.csv").write_bytes(b'\xef\xbb\xbfa,b\r\n1,"2, or 3"\r\n\r\n')
    rows, skipped = read(tmp_path / "t.csv")

    assert rows == [(1, ("2, or 3", "1"))]
    assert skipped.total == 0


@pytest.mark.parametrize("log_format", [LogFormat.ONLINE_RETAIL, LogFormat.REES46])
@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_missing_column_is_one_clear_error(tmp_path, name, log_format):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    parquet.write_table(pa.table({"a": [1], "b": [2]}), tmp_path / "t.parquet")

    with pytest.raises(LogFormatError) as failure:
        list(read_events(tmp_path / name, log_format, skipped=SkippedRows()))
    assert isinstance(failure.value, TrainingError)
    for part in (
        str(tmp_path / name),
        "no column",
        "'Country'" if log_format == "online-retail" else "'brand'",
        "'a', 'b'",
    ):
        assert part in str(failure.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.parquet", b"PAR1 not really"),
        ("t.parquet", b""),
        ("t.csv", b""),
        ("t.csv.gz", b"not packed"),
        ("t.csv.gz", gzip.compress(b"a,b\n" + b"1,2\n" * 5_000, mtime=0)[:-20]),
        ("t.xlsx", b"PK"),
    ],
)
def test_a_file_that_is_not_what_it_seems_is_refused_by_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(LogFormatError, match=name):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.csv.gz"])
def test_a_missing_file_is_an_os_error(tmp_path, name):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / name)


def test_memory_is_bounded(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"1234567890,1234567890\n" * 400_000))

    tracemalloc.start()
    try:
        rows = sum(len(batch.numbers) for batch in read_batches(path, ("a", "b"), skipped=SkippedRows()))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows == 400_000
    assert peak_bytes < 10_000_000  # all cells at once take 50 MB


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("2019-Oct.csv.gz", "2019-Oct"),
        ("2019-Oct.parquet", "2019-Oct"),
        ("shop.v2.jsonl", "shop.v2"),
        ("events", "events"),
    ],
)
def test_the_stem_is_the_same_for_every_edition_of_a_file(name, stem):
    assert file_stem(Path("logs") / name) == stem
