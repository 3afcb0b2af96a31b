"""Thousands of changed bundles: each is refused in one line, or scores as before."""

from __future__ import annotations

import collections
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.fuzzing.bundles.worker import FINE

ROOT = Path(__file__).parents[3]

COUNT = 600
MOST_SECONDS = 5.0
"""For one bundle, on a busy machine; on a quiet one it is a hundredth."""


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_changed_bundle_is_refused_in_one_line_or_scores_as_before(seed):
    """In a process of its own: what hangs or crashes there is the last mutation that it printed."""
    program = [sys.executable, "-m", "benchmarks.fuzzing.bundles.worker", str(seed), "0", str(COUNT)]
    try:
        finished = subprocess.run(
            program,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    except subprocess.TimeoutExpired as hung:
        pytest.fail(f"hangs: {(hung.stdout or b'').splitlines()[-1:]}")
    lines = finished.stdout.splitlines()
    assert finished.returncode == 0, f"{lines[-1:]} {finished.stderr[-2_000:]}"
    assert finished.stderr == ""
    assert len(lines) == COUNT
    results = collections.Counter()
    for line in lines:
        mutation, _, outcome = line.partition("\t")
        result = json.loads(outcome)
        assert result["result"] in FINE, mutation
        assert result["seconds"] < MOST_SECONDS, mutation
        results[result["result"]] += 1
    assert results["refused"] > COUNT / 2
    assert results["scores the same but for rounding"] < COUNT / 50
