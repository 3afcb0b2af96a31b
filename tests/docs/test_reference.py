"""The reference pages say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.reference_tables import feature_rows, setting_rows

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize(
    ("page", "first_column", "expected"),
    [("features.md", "| `", feature_rows()), ("settings.md", "| `--", setting_rows())],
)
def test_the_table_is_what_the_code_says(page: str, first_column: str, expected: list[str]) -> None:
    lines = (REFERENCE / page).read_text().splitlines()

    assert [line for line in lines if line.startswith(first_column)] == expected
