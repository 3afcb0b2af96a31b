from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from presage_training.readers import SkippedRows
from presage_training.readers.files.csv_tables import _read_block, _read_lines, read_csv, read_header
from presage_training.readers.files.layout import FileLayout


@given(st.text('ab,"\n\r\x00é \\', max_size=40).map(str.encode) | st.binary(max_size=20))
@example(b'"a"b,c\n"d""e",f"g\n')
@example(b'"a\nb",c\n"\n,"d\n')
@example(b"a,b\n\n\nc\rd,e\n")
@example(b"NULL,NA\nnan,\n")
@example(b"1,2\n,\n")
@example(b'"\n')
@example(b"\xef\xbb\xbf1,2\n")
def test_many_lines_at_once_give_what_one_by_one_gives(block):
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    for header, columns in (
        (["x", "y"], ["y", "x"]),
        (["x", "y"], ["x", "x"]),
        (["x"], ["x"]),
        (["x", "", ""], ["", "x"]),
    ):
        at_once = _read_block(block, lines, header, columns, ",")
        if block and at_once is not None:
            skipped = SkippedRows()
            one_by_one = _read_lines(block, 1, header, columns, ",", skipped=skipped)
            assert (list(range(1, lines + 1)), at_once) == (one_by_one.numbers, one_by_one.columns)
            assert skipped.total == 0


def test_ordinary_lines_are_read_at_once():
    assert _read_block(b'1,"a, b"\r\n2,\xc3\xa9\n,', 3, ["x", "y"], ["y", "x"], ",") == [
        ["a, b", "é", ""],
        ["1", "2", ""],
    ]


def test_a_damaged_line_costs_no_other_block_its_place(tmp_path):
    rows = [f"{number},é" for number in range(200_000)]
    rows[100_000] = "torn"
    rows[150_000] = '150000,"'
    (tmp_path / "t.csv").write_text("\n".join(["a,b", *rows]))
    skipped = SkippedRows()
    batches = list(read_csv(tmp_path / "t.csv", ["a", "b"], skipped=skipped))

    assert len(batches) > 2
    read = {number: cells for batch in batches for number, *cells in zip(batch.numbers, *batch.columns, strict=True)}
    expected = {number: [str(number - 1), "é"] for number in range(1, 200_001) if number != 100_001}
    assert read == expected | {150_001: ["150000", ""]}
    assert skipped.counts == {"wrong number of cells": 1}
    assert skipped.examples["wrong number of cells"][0].where == "row 100001"


@pytest.mark.parametrize("before", ["", "\ufeff", "sep=;\n"])
def test_without_a_header_columns_are_numbered(tmp_path, before):
    path = tmp_path / "t.csv"
    path.write_text(before + "ann;1\nbob;2\ntorn\n", encoding="utf-8")
    layout = FileLayout(has_header=False)
    skipped = SkippedRows()
    [batch] = read_csv(path, ["column_2", "column_1"], skipped=skipped, layout=layout)

    assert read_header(path, layout) == ["column_1", "column_2"]
    assert (list(batch.numbers), list(batch.columns)) == ([1, 2], [["1", "2"], ["ann", "bob"]])
    assert skipped.examples["wrong number of cells"][0].where == "row 3"


def test_remarks_before_the_header_are_passed_over(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("# -----\n# All visitors\n\n#user,n\nann,1\n")

    assert read_header(path, FileLayout()) == ["#user", "n"]
    [batch] = read_csv(path, ["n"], skipped=SkippedRows(), layout=FileLayout())
    assert (list(batch.numbers), list(batch.columns)) == ([1], [["1"]])
