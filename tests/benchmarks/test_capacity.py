from __future__ import annotations

import json

import pytest

from benchmarks import capacity as program
from benchmarks.capacity import SHOPS, Shop, Takes, main, needs_of, page_rows
from support.doc_blocks import ROOT

TAKES = Takes(
    visitor_bytes=500,
    event_bytes=300,
    event_file_bytes=1_000,
    server_mb=200,
    cpu_us={"score": (60, 6), "score_batch_100": (20, 3), "track": (120, 60)},
)


def test_cores_are_planned_with_room_and_bytes_add_up():
    needs = needs_of(Shop(name="s", visitors=2_000_000, events=1_000, scores=10_000), TAKES)
    assert needs.server_cores == pytest.approx((0.6 + 0.12) / 0.6)
    assert needs.store_cores == pytest.approx((0.06 + 0.06) / 0.6)
    assert (needs.workers, needs.server_mb) == (2, 400)
    assert needs.visitors_mb == pytest.approx(1_000)
    assert needs.streams_mb == pytest.approx(1_024 * 10_000 * 300 / 1e6)
    assert needs.file_mb_per_hour == pytest.approx(3_600)


def test_a_shop_without_traffic_needs_one_worker():
    assert needs_of(Shop(name="s", visitors=0, events=0, scores=0), TAKES).workers == 1


def test_the_page_has_the_tables_that_the_command_writes(tmp_path, monkeypatch):
    written = (ROOT / "docs" / "reference" / "capacity.md").read_text()
    rows = [line for line in written.splitlines() if line.startswith("|")]
    made = [row for row in page_rows(TAKES, "native") if row]
    first_cells = [[row.split("|")[1] for row in table] for table in (rows, made)]
    assert first_cells[0] == first_cells[1]
    assert all(f"| {shop.name} | {shop.visitors:,} |" in written for shop in SHOPS)


@pytest.mark.slow
def test_it_measures_and_writes(tmp_path, monkeypatch):
    page, file = tmp_path / "capacity.md", tmp_path / "figures.json"
    page.write_text("# Head\n\n| what | takes |\nold\n")
    monkeypatch.setattr(program, "_PAGE", page)
    assert main(["--visitors", "500", "--rounds", "2", "--seconds", "0.3", "--page", "--to", str(file)]) == 0
    takes = json.loads(file.read_text())["takes"]
    assert 100 < takes["visitor_bytes"] < 10_000
    assert 50 < takes["event_bytes"] < 5_000
    assert all(cost > 0 for costs in takes["cpu_us"].values() for cost in costs)
    assert page.read_text().startswith("# Head\n\n| what | takes |\n|---|---|\n")
    assert "old" not in page.read_text()
