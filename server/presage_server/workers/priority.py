"""How processes that work for a server let its calls go first."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["lower_priority"]

_SESSION_NICENESS = 5
"""A quarter of a core where others take all of it: the work is waited for."""


def lower_priority(niceness: int) -> None:
    """Lower the priority of this process, and of its session if it was started in one of its own.

    Where Linux groups processes by session (``kernel.sched_autogroup_enabled``), a priority holds within a session only, and a
    session of its own gets as much of a core as the server does.
    """
    os.nice(niceness)
    if sys.platform != "linux":
        return
    with suppress(OSError):  # a container may forbid it
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))  # it interrupts nobody when it wakes up
    if os.getsid(0) == os.getpid():
        with suppress(OSError):  # this kernel has no groups, or a container hides them
            Path("/proc/self/autogroup").write_text(str(_SESSION_NICENESS))
