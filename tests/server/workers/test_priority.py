"""Processes that work for a server let its calls go first."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have a niceness only")

LOWER = """
import os
from presage_server.workers.priority import lower_priority
lower_priority(7)
print(os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0), open("/proc/self/sched").read())
"""


def test_a_process_is_nicer_interrupts_nobody_and_gives_a_core_back_soon():
    ran = subprocess.run([sys.executable, "-c", LOWER], check=True, text=True, capture_output=True)
    niceness, policy, *shown = ran.stdout.split()
    assert int(niceness) == os.getpriority(os.PRIO_PROCESS, 0) + 7
    assert int(policy) == os.SCHED_BATCH
    slices = [after for name, _, after in zip(shown, shown[1:], shown[2:], strict=False) if name == "se.slice"]
    assert slices in ([], ["100000"])  # kernels before 6.12 show none
