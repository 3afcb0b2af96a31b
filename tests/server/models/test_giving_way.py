"""Python that runs beside the thread that serves, and lets it go first."""

from __future__ import annotations

import sys

import pytest

from presage_server.models import giving_way as module
from presage_server.models.giving_way import giving_way


def test_it_pauses_after_every_so_much_work(monkeypatch):
    pauses = []
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 0.01
        return now

    monkeypatch.setattr(module, "sleep", pauses.append)
    monkeypatch.setattr(module, "perf_counter", clock)
    with giving_way(work_seconds=0.1, pause_seconds=7.0):
        for _ in range(1_000):
            abs(1)
    assert set(pauses) == {7.0}
    assert 100 <= len(pauses) <= 300


def test_what_was_there_before_is_put_back_also_after_an_error():
    before = sys.getprofile()

    def fail() -> None:
        with giving_way():
            assert sys.getprofile() is not before
            raise ValueError("planted")

    with pytest.raises(ValueError, match="planted"):
        fail()
    assert sys.getprofile() is before
