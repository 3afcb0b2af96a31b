"""A slice of the real logs, through ``presage replay`` into ``presage serve``; ``make skew-proof`` does the whole of them."""

from __future__ import annotations

import re

import pytest
from pyarrow import parquet

from benchmarks.proofs.skew_proof import DATA, LOGS, prove

ROWS = {"online_retail.parquet": 15_000, "rees46_2019_10_01.parquet": 2_000}
"""About 600 invoices, and 2,000 events."""


def shown(summary, row):
    """The number in a row of the table that ``presage replay`` ends with."""
    found = re.search(rf"│ {row}\s+│\s+([\d,]+)", summary)
    assert found is not None, f"expected a row {row!r} in {summary}"
    return int(found.group(1).replace(",", ""))


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=f"the real logs are not at {DATA}")
@pytest.mark.parametrize("name", LOGS)
def test_every_visitor_has_the_vector_that_an_offline_fold_gives(name, tmp_path):
    part = tmp_path / name
    parquet.write_table(parquet.read_table(DATA / name).slice(0, ROWS[name]), part)

    proof = prove(part, LOGS[name])

    assert proof.differing == ()
    assert proof.events == proof.logged == shown(proof.summary, "counted") == shown(proof.summary, "sent")
    assert proof.visitors == proof.stored
    assert "refused" not in proof.summary
    skipped = re.findall(r"skipped by the reader[^│]*│\s+([\d,]+)", proof.summary)
    assert sum(int(count) for count in skipped) == proof.skipped
    assert proof.holds
    assert proof.events > 500
