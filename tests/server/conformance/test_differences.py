"""The table of differences: each is one, is tested, and is told of in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.transport_differences import DIFFERENCES

HERE = Path(__file__).resolve()
DECISION = HERE.parents[3] / "docs" / "decisions" / "transports.md"


def test_every_difference_has_its_row_in_the_decision():
    table = [line.split("|")[1:-1] for line in DECISION.read_text().splitlines() if line.startswith("| ")]
    rows = {row.strip(): (grpcio.strip(), native.strip()) for row, grpcio, native in table}
    told = {difference.row for difference in DIFFERENCES.values()}
    assert told <= rows.keys()
    assert [row for row in told if not all(rows[row])] == []


@pytest.mark.parametrize("case", DIFFERENCES)
def test_every_difference_is_one_and_is_tested(case):
    assert DIFFERENCES[case].grpcio != DIFFERENCES[case].native
    texts = [file.read_text() for file in HERE.parent.glob("test_*.py")]
    assert any(f'"{case}"' in text for text in texts)
