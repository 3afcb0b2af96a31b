from __future__ import annotations

import io
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_training.errors import LogFormatError
from presage_training.readers import SkippedRows
from presage_training.readers.files.json_values import JsonDocumentError, document_start, read_values
from presage_training.readers.files.layout import COMMAS
from presage_training.readers.files.tables import FileKind, column_names, file_kind, read_batches

ROWS = [{"user": {"id": "ann"}, "n": 1}, {"user": {"id": "bob"}, "n": 2, "note": 'a ] } " \\ [ {'}]


def read(path, *columns):
    skipped = SkippedRows()
    batches = list(read_batches(path, columns, skipped=skipped))
    return [row for batch in batches for row in zip(*batch.columns, strict=True)], skipped


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2),
        "\ufeff \n" + json.dumps(ROWS, indent="\t").replace("\n", "\r\n"),
        json.dumps({"total": 2, "next": None, "events": ROWS}),
        json.dumps({"total": 2, "Events": ROWS}, indent=1),
        "\n".join(json.dumps(row, indent=2) for row in ROWS),
        "[" + ",\n".join(map(json.dumps, ROWS)) + "\n]\n",
        "\n".join(map(json.dumps, ROWS)),
    ],
)
def test_objects_are_rows_however_they_are_written(tmp_path, content):
    path = tmp_path / "log.json"
    path.write_text(content, newline="")

    assert column_names(path, COMMAS) == ["user.id", "n", "note"]
    rows, skipped = read(path, "user.id", "n")
    assert rows == [("ann", 1), ("bob", 2)]
    assert skipped.total == 0


def test_an_event_of_one_line_with_an_array_is_an_event(tmp_path):
    (tmp_path / "log.json").write_text('{"user": "ann", "items": [{"id": 1}, {"id": 2}]}\n')

    assert read(tmp_path / "log.json", "user", "items.0.id")[0] == [("ann", 1)]


def test_what_is_no_object_is_counted(tmp_path):
    (tmp_path / "log.json").write_text('[{"n": 1}, 2, [3], {"n": NaN}]')
    rows, skipped = read(tmp_path / "log.json", "n")

    assert rows == [(1,), (None,)]
    assert skipped.examples["unreadable object: expected an object, got 2"][0].where == "object 2"
    assert skipped.counts == {
        "unreadable object: expected an object, got 2": 1,
        "unreadable object: expected an object, got [3]": 1,
    }


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('[{"n": 1}, {"n": ', "object 2 is no JSON: "),
        ('[{"n": 1}', "object 2 is no JSON: the file ends within it"),
        ('[{"n": 1}, {"n": oops}, {"n": 3}]', "object 2 is no JSON: Expecting value"),
        ("[" * 100_000, "object 1 cannot be read: "),
    ],
)
def test_a_damaged_document_names_the_object(tmp_path, content, problem):
    (tmp_path / "log.json").write_text(content)

    with pytest.raises(LogFormatError, match=rf"log\.json: {problem}.*\. Write the file again"):
        read(tmp_path / "log.json", "n")


def test_pairs_of_keys_and_values_are_columns(tmp_path):
    pairs = [
        {"key": "page", "value": {"string_value": "/", "int_value": None}},
        {"key": "session", "value": {"int_value": "7"}},
    ]
    (tmp_path / "log.jsonl").write_text(json.dumps({"params": pairs}) + "\n" + json.dumps({"params": []}) + "\n")

    assert column_names(tmp_path / "log.jsonl", COMMAS) == ["params.page", "params.session"]
    assert read(tmp_path / "log.jsonl", "params.session", "params.none")[0] == [("7", None), (None, None)]


def test_a_vague_name_with_an_array_is_json(tmp_path):
    (tmp_path / "log.txt").write_text(' [{"n": 1}]')

    assert file_kind(tmp_path / "log.txt") is FileKind.JSON


@given(
    st.lists(st.recursive(st.text(), lambda inner: st.dictionaries(st.text(), inner)), max_size=5), st.integers(1, 9)
)
def test_where_the_file_is_cut_changes_nothing(values, size):
    class Slow(io.BytesIO):
        def read(self, most=-1):
            return super().read(min(most, size) if most > 0 else most)

    content = json.dumps([{"v": value} for value in values], ensure_ascii=False).encode()
    start = document_start(content)
    assert start == 1
    assert list(read_values(io.BytesIO(content), start)) == [{"v": value} for value in values]
    assert list(read_values(Slow(content), start)) == [{"v": value} for value in values]


def test_memory_does_not_grow_with_the_array():
    count = 60_000
    content = ("[" + ",".join('{"n": "%s"}' % ("x" * 200) for _ in range(count)) + "]").encode()
    file = io.BytesIO(content)
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_values(file, 1)) == count
        assert tracemalloc.get_traced_memory()[1] < len(content) / 2
    finally:
        tracemalloc.stop()


def test_an_array_that_does_not_end_is_an_error():
    with pytest.raises(JsonDocumentError, match="object 1 is no JSON: the file ends within it"):
        list(read_values(io.BytesIO(b"["), 1))


def test_a_value_with_half_of_a_character_is_skipped_with_the_reason(tmp_path):
    rows = [{"user": "ann"}, {"user": "\ud800"}, {"user": "bob \U0001f600"}, {"user": {"deep": ["\udfff"]}}]
    (tmp_path / "log.json").write_text(json.dumps(rows))

    found, skipped = read(tmp_path / "log.json", "user")

    assert found == [("ann",), ("bob \U0001f600",)]
    assert skipped.counts == {
        f"unreadable object: expected whole characters, got half of one: \\u{half}": 1 for half in ("d800", "dfff")
    }
    assert [example.where for reason in skipped.counts for example in skipped.examples[reason]] == [
        "object 2",
        "object 4",
    ]
