from __future__ import annotations

from datetime import datetime

import openpyxl
import pytest

from presage_training.errors import LogFormatError
from presage_training.readers import LogFormat, SkippedRows, read_events
from presage_training.readers.files.tables import read_batches


def write(path, *rows, other_sheet=()):
    workbook = openpyxl.Workbook()
    workbook.active.title = "Online Retail"
    for row in rows:
        workbook.active.append(row)
    if other_sheet:
        workbook.create_sheet("notes").append(other_sheet)
    workbook.save(path)
    return path


def test_cells_keep_their_types_and_missing_ones_are_empty(tmp_path):
    at = datetime.fromisoformat("2010-12-01T08:26")
    path = write(
        tmp_path / "t.xlsx", ["x", "b", "a"], [1, at, "é"], [2, None, 71053], [3, at, 2.55], other_sheet=["more"]
    )
    [batch] = read_batches(path, ["a", "b"], skipped=SkippedRows())

    assert list(batch.numbers) == [1, 2, 3]
    assert [list(cells) for cells in batch.columns] == [["é", 71053.0, 2.55], [at, "", at]]


def test_row_numbers_go_on_over_batches(tmp_path):
    path = write(tmp_path / "t.xlsx", ["a"], *([number] for number in range(1, 10_001)))
    batches = list(read_batches(path, ["a"], skipped=SkippedRows()))

    assert len(batches) > 1
    assert all(list(batch.numbers) == list(batch.columns[0]) for batch in batches)
    assert sum(len(batch.numbers) for batch in batches) == 10_000


@pytest.mark.parametrize("rows", [[], [["a", "b"]]])
def test_a_missing_column_is_one_clear_error(tmp_path, rows):
    path = write(tmp_path / "t.xlsx", *rows)

    with pytest.raises(LogFormatError, match=r"t\.xlsx: no column 'InvoiceNo', "):
        list(read_events(path, LogFormat.ONLINE_RETAIL, skipped=SkippedRows()))


@pytest.mark.parametrize("content", [b"", b"PK", b"InvoiceNo,StockCode\n"])
def test_what_is_no_workbook_is_refused_by_name(tmp_path, content):
    (tmp_path / "t.xlsx").write_bytes(content)

    with pytest.raises(LogFormatError, match=r"t\.xlsx: not a readable Excel workbook"):
        list(read_batches(tmp_path / "t.xlsx", ["a"], skipped=SkippedRows()))


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        list(read_batches(tmp_path / "t.xlsx", ["a"], skipped=SkippedRows()))
