"""Logs that need no mapping are recognised."""

from __future__ import annotations

import json
from functools import partial

import pytest
from training.commands.running import run_here
from training.logs import shop

from presage_training.readers import write_presage_log


@pytest.fixture
def inspect(monkeypatch, capsys):
    """Run ``presage inspect`` in this process."""
    return partial(run_here, monkeypatch, capsys, "inspect")


def test_a_log_in_presages_own_format_needs_no_mapping(tmp_path, monkeypatch, inspect):
    monkeypatch.chdir(tmp_path)
    write_presage_log(tmp_path / "log.jsonl", shop(visitors=40))
    done = inspect("log.jsonl", "--to", "mapping.toml")

    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "log.jsonl: Presage's own format, which needs no mapping, so that none is proposed: --format presage, or "
        'format = "presage" in a project\'s training.toml, reads all of it\n'
        "next: presage train log.jsonl --format presage --to runs/first\n"
        "with --rank and another --to, the same command trains a ranking of items\n"
    )
    assert not (tmp_path / "mapping.toml").exists()


def test_json_lines_with_one_or_two_of_the_same_keys_are_another_format(tmp_path, inspect):
    line = {"type": "view", "user_id": "ann", "event_time_unix_micros": 1_714_521_600_000_000}
    (tmp_path / "log.jsonl").write_text(f"{json.dumps(line)}\n" * 3)

    assert "Presage's own format" not in inspect(tmp_path / "log.jsonl").out
