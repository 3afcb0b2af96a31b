from __future__ import annotations

from threading import Event as Flag

import pytest

from presage_server.backfill.pace import Pace


class Pauses(Flag):
    """Notes the pauses instead of making them, and lets a use of the store take its time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.pauses = []

    def wait(self, timeout=None):
        self.pauses.append(timeout)
        return False


@pytest.mark.parametrize(
    ("limit", "count", "took", "pause"),
    [
        (0, 50, 0.002, 0.002),
        (0, 50, 9.0, 5.0),
        (100, 50, 0.1, 0.4),
        (100, 50, 0.3, 0.3),
        (100, 0, 0.01, 0.01),
    ],
)
def test_it_pauses_for_as_long_as_the_store_took_and_keeps_the_limit(limit, count, took, pause):
    clock = Pauses()
    pace = Pace(limit, stop=clock, clock=lambda: clock.now)
    with pace.visitors(count):
        clock.now += took
    assert clock.pauses == [pytest.approx(pause)]
