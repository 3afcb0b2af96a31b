"""The store is read at most once a minute; while it is away, what was known stays."""

from __future__ import annotations

import asyncio
import re

import pytest

from presage_console.drift import reading
from presage_console.drift.reading import DriftFound, DriftReader
from presage_export.drift import HOUR_MICROS
from presage_server.clock import system_clock
from support.doc_blocks import ROOT
from support.drifting_server import serve_hours

pytestmark = pytest.mark.xdist_group("drift-console")

SECOND = 1_000_000
PAGE = ROOT / "docs" / "how-to" / "watch-for-drift.md"


class _Clock:
    now = 1_000 * HOUR_MICROS

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def looked(monkeypatch):
    """How often the store was read, and what it answers with."""
    looks: list[int] = []
    answers = {"error": ""}

    def read(_url, _models, *, days, now_unix_micros):
        looks.append(days)
        return DriftFound(
            reports=[],
            problems=[] if answers["error"] else [f"look {len(looks)}"],
            error=answers["error"],
            days=days,
            read_unix_micros=now_unix_micros,
            known_unix_micros=now_unix_micros,
        )

    monkeypatch.setattr(reading, "read_drift", read)
    return looks, answers


async def test_many_browsers_make_one_look_a_minute(looked, tmp_path):
    looks, _ = looked
    clock = _Clock()
    reader = DriftReader("", tmp_path, clock=clock)
    await asyncio.gather(*(reader.read(7) for _ in range(5)))
    clock.now += 59 * SECOND
    await reader.read(7)
    assert looks == [7]
    clock.now += 2 * SECOND
    await asyncio.gather(reader.read(7), reader.read(1))
    assert sorted(looks) == [1, 7, 7]


async def test_the_end_of_an_hour_is_a_reason_to_look_again(looked, tmp_path):
    looks, _ = looked
    clock = _Clock()
    clock.now += HOUR_MICROS - SECOND
    reader = DriftReader("", tmp_path, clock=clock)
    await reader.read(7)
    clock.now += SECOND
    await reader.read(7)
    assert looks == [7, 7]


async def test_while_the_store_is_away_what_was_known_stays_and_it_is_tried_again_soon(looked, tmp_path):
    looks, answers = looked
    clock = _Clock()
    reader = DriftReader("", tmp_path, clock=clock)
    first = await reader.read(7)
    clock.now += 61 * SECOND
    answers["error"] = "away"
    away = await reader.read(7)
    assert (away.error, away.problems, away.known_unix_micros) == ("away", ["look 1"], first.known_unix_micros)
    await reader.read(7)
    assert len(looks) == 2
    clock.now += 6 * SECOND
    answers["error"] = ""
    assert (await reader.read(7)).problems == ["look 3"]


async def test_the_rights_of_the_page_are_enough_and_nothing_is_written(store, drift_models):
    (rights,) = re.findall(r"rights\n`([^`]+)`", PAGE.read_text())
    store.redis.execute_command("ACL", "SETUSER", "console", "reset", "on", ">secret", *rights.split())
    store.redis.acl_log_reset()
    await serve_hours(store.url, drift_models, hours=3, now_unix_micros=system_clock())
    before = {key: store.redis.dump(key) for key in store.redis.keys("*")}
    try:
        url = f"{store.url}?username=console&password=secret"
        found = await DriftReader(url, drift_models, clock=system_clock).read(7)
        refused = [str(entry["object"]) for entry in store.redis.acl_log()]
    finally:
        store.redis.execute_command("ACL", "DELUSER", "console")
    assert (found.error, [report.rows for report in found.reports]) == ("", [900])
    assert set(refused) <= {"client|setinfo"}  # which redis-py does without
    assert {key: store.redis.dump(key) for key in store.redis.keys("*")} == before
