from __future__ import annotations

from datetime import UTC, datetime

import pytest

from presage_featurizer.events import MICROS
from presage_training.simulator.rhythm import Rhythm, is_evening, is_payday
from presage_training.simulator.streams import random_stream


def unix_micros(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * MICROS


@pytest.mark.parametrize(
    ("day", "expected"),
    [("2025-01-26", False), ("2025-01-27", True), ("2025-02-03", True), ("2025-02-04", False)],
)
def test_payday_is_around_the_turn_of_the_month(day, expected):
    assert is_payday(unix_micros(day)) is expected


@pytest.mark.parametrize(("time", "expected"), [("17:59", False), ("18:00", True), ("22:59", True), ("23:00", False)])
def test_evening_is_after_work(time, expected):
    assert is_evening(unix_micros(f"2025-01-05T{time}")) is expected


def test_moments_lie_within_days_that_begin_at_any_time():
    start = unix_micros("2025-01-01T13:30")
    rhythm, rng = Rhythm(start_unix_micros=start, days=2), random_stream(1, "test")

    moments = [rhythm.any_moment(rng) for _ in range(2000)]
    assert start <= min(moments)
    assert not rhythm.is_over(max(moments))
    assert rhythm.is_over(unix_micros("2025-01-03T13:30"))
    assert {datetime.fromtimestamp(moment // MICROS, UTC).day for moment in moments} == {1, 2, 3}


def test_a_moment_of_a_day_stays_in_that_day():
    rhythm, rng = Rhythm(start_unix_micros=unix_micros("2025-01-01"), days=9), random_stream(1, "test")

    days = {rhythm.moment_of_day(rng, unix_micros("2025-01-05T17:00")) // (86_400 * MICROS) for _ in range(500)}
    assert days == {unix_micros("2025-01-05") // (86_400 * MICROS)}
