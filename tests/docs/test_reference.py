"""The reference pages say what the code says."""

from __future__ import annotations

import pytest

from support.reference_tables import REFERENCE, TABLES, with_table


@pytest.mark.parametrize("name", TABLES)
def test_the_table_is_what_make_reference_writes(name: str) -> None:
    page = (REFERENCE / name).read_text()

    assert page == with_table(page, TABLES[name]())


def test_a_table_is_replaced_wherever_it_stands() -> None:
    rows = ["| flag | default |", "|---|---|", "| `--new` | 1 |"]
    old = "| flag |\n|---|\n| `--old` |"
    new = "\n".join(rows)

    for before, after in (("", ""), ("Text.\n\n", "\n\nMore text.\n\n| other |\n|---|")):
        assert with_table(f"{before}{old}{after}\n", rows) == f"{before}{new}{after}\n"
