from __future__ import annotations

import argparse

from presage_console.shop.playground import _child
from support.running_server import GENEROUS_SECONDS


def test_a_part_that_nobody_listens_to_is_never_stuck(tmp_path):
    """A pipe takes 64 KiB; a learner says more than that in an hour."""
    with _child(tmp_path, "talk", ("dis", argparse.__file__), says=False) as talking:
        assert talking.wait(GENEROUS_SECONDS) == 0
    assert (tmp_path / "talk.log").stat().st_size > 100_000


def test_a_part_that_says_when_it_is_ready_is_heard(tmp_path):
    with _child(tmp_path, "talk", ("platform",), says=True) as talking:
        assert "Linux" in talking.stdout.readline()
