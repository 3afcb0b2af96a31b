"""Importing ONNX Runtime through this package neither reports anything nor starts a thread."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_PROGRAM = """
import os
{first}
import presage_export
before = len(os.listdir("/proc/self/task"))
import onnxruntime, time
time.sleep(0.5)
print(before, len(os.listdir("/proc/self/task")), os.environ["ORT_DISABLE_TELEMETRY"])
"""


def _run(home, first="", **variables):
    # Continuous-integration variables silence the telemetry by themselves and would hide its return.
    silencers = ("CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "GITHUB_ACTIONS", "TF_BUILD", "BUILD_ID")
    environment = {key: value for key, value in os.environ.items() if key not in silencers}
    environment |= {"HOME": str(home), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"} | variables
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(first=first)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    before, after, variable = done.stdout.split()
    return int(before), int(after), variable


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_no_thread_starts_and_no_file_appears(tmp_path):
    before, after, variable = _run(tmp_path, first="import numpy")

    assert before == after
    assert not list(tmp_path.rglob("*"))
    assert variable == "1"


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_a_choice_made_outside_is_kept(tmp_path):
    assert _run(tmp_path, ORT_DISABLE_TELEMETRY="true")[2] == "true"
