from __future__ import annotations

from datetime import datetime, time

import pytest

from presage_training.readers.files.tables import Batch
from presage_training.readers.formats.derived import DerivedColumns, Split


def derive(columns, **options):
    """Derive the fields of one batch whose columns are given by name."""
    derived = DerivedColumns(**options)
    [batch] = derived.derive([Batch([1, 2], [columns[name] for name in derived.needed])])
    return dict(zip(derived.fields, map(list, batch.columns), strict=True))


@pytest.mark.parametrize(
    "split",
    [
        Split(column="ids", into=("u", "s"), separator="/"),
        Split(column="ids", into=("u", "s"), pattern="([^/]*)/?(.*)"),
    ],
)
def test_a_column_may_be_two_fields(split):
    fields = derive({"ids": ["ann/s1", "bob"]}, fields={"user_id": "u", "session_id": "s"}, splits=[split])

    assert fields == {"user_id": ["ann", "bob"], "session_id": ["s1", ""]}


def test_what_does_not_match_a_pattern_is_empty():
    split = Split(column="ids", into=("u", "s"), pattern=r"u(\d+)-(\d+)")

    assert derive({"ids": ["u1-2", "x"]}, fields={"user_id": "u"}, splits=[split]) == {"user_id": ["1", ""]}


def test_several_columns_are_a_time_or_the_first_that_is_not_empty():
    columns = {"day": ["2026-01-05", "2026-01-06"], "clock": ["10:00", None], "c": ["", "NULL"], "s": ["s1", "s2"]}
    fields = derive(
        columns,
        fields={"event_time": ("day", "clock"), "user_id": ("c", "s"), "session_id": "s"},
        missing=frozenset({"NULL"}),
    )

    assert fields == {
        "event_time": ["2026-01-05 10:00", "2026-01-06"],
        "user_id": ["s1", "s2"],
        "session_id": ["s1", "s2"],
    }


def test_dates_and_times_of_spreadsheets_are_joined():
    columns = {
        "day": [datetime(2026, 1, 5), datetime(2026, 1, 6, 7)],  # noqa: DTZ001 - as spreadsheets have them
        "clock": [datetime(1899, 12, 31, 10, 30), time(8)],  # noqa: DTZ001 - as spreadsheets have them
        "hour": [8.0, 9],
    }

    assert derive(columns, fields={"event_time": ("day", "clock", "hour")}) == {
        "event_time": ["2026-01-05 10:30:00 8", "2026-01-06 07:00:00 08:00:00 9"]
    }


def test_plain_columns_keep_their_times_with_a_zone():
    derived = DerivedColumns(fields={"event_time": "at", "user_id": "u"}, missing=frozenset({"-"}))
    [batch] = derived.derive([Batch([1], [[7], ["-"]], frozenset({0}))])

    assert (batch.instants, [list(cells) for cells in batch.columns]) == (frozenset({0}), [[7], [""]])
