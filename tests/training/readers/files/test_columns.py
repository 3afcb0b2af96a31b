from __future__ import annotations

import pytest

from presage_featurizer import MAX_UNIX_MICROS
from presage_training.readers import SkippedExample, SkippedRows
from presage_training.readers.files.columns import SkipRowError, convert, keep_readable
from presage_training.readers.files.tables import Batch


def shout(cell):
    if cell == "hush":
        raise SkipRowError("quiet", "expected noise", value=cell)
    if not cell:
        raise ValueError("expected a word")
    return cell.upper()


def read(*batches):
    skipped = SkippedRows()
    tables = keep_readable(convert(batches, {"word": shout, "at": int}), ["word", "at"], skipped)
    return [row for table in tables for row in zip(table.numbers, *table.columns, strict=True)], skipped


def test_a_row_with_a_bad_cell_is_counted_for_the_first_one_every_time():
    rows, skipped = read(Batch([1, 2, 4], [["a", "", "hush"], ["1", "x", "2"]]), Batch([5, 6], [["", "a"], ["3", "x"]]))

    assert rows == [(1, "A", 1)]
    unreadable, quiet = "column 'word': expected a word", "quiet in column 'word': 'hush'"
    assert skipped.counts == {
        unreadable: 2,
        quiet: 1,
        "column 'at': invalid literal for int() with base 10: 'x'": 1,
    }
    assert skipped.examples[unreadable][:2] == [
        SkippedExample("row 2", "expected a word"),
        SkippedExample("row 5", "expected a word"),
    ]
    assert skipped.examples[quiet] == [SkippedExample("row 4", "expected noise")]


def test_times_with_a_zone_are_checked_and_not_converted():
    cells = [1, None, 0, MAX_UNIX_MICROS, MAX_UNIX_MICROS + 1]
    rows, skipped = read(Batch(range(1, 6), [["a"] * 5, cells], frozenset({1})))

    assert rows == [(1, "A", 1), (4, "A", MAX_UNIX_MICROS)]
    assert skipped.total == 3
    assert "column 'at': expected a time, got an empty cell" in skipped.counts


def test_equal_cells_share_their_value():
    [values] = convert([Batch([1, 2], [["long", "long"]])], {"word": shout})

    assert values.columns[0][0] is values.columns[0][1]


@pytest.mark.parametrize("different", [10, 200_000])
def test_what_is_remembered_is_bounded_and_changes_nothing(different):
    batches = [
        Batch([1] * 1_000, [[str(number % different) for number in range(start, start + 1_000)]])
        for start in range(0, 150_000, 1_000)
    ]
    found = [value for values in convert(batches, {"at": int}) for value in values.columns[0]]

    assert found == [number % different for number in range(150_000)]


@pytest.mark.parametrize("cells", [[1, True, 1.0, None, "1"], [True, 1, "1", 1.0, None], [None, 1.0, True, 1]])
def test_a_value_does_not_depend_on_equal_cells_of_other_types_before_it(cells):
    batches = [Batch([1] * len(cells), [cells]), *(Batch([1], [[cell]]) for cell in cells)]
    together, *alone = convert(batches, {"word": str})

    assert together.columns[0] == [str(cell) for cell in cells]
    assert [values.columns[0][0] for values in alone] == [str(cell) for cell in cells]
