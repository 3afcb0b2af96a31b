"""How processes that work for a server let its calls go first."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["lower_priority"]

_SESSION_NICENESS = 5
"""A quarter of a core where others take all of it: the work is waited for."""
_SLICE_NANOSECONDS = 100_000
"""For how long at once such a process may keep a core that a call waits for, instead of 3 ms: the least that Linux takes."""
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
"""The system call's number, by machine: Python and older C libraries have no function for it."""
_SCHED_ATTR = "=IIQiIQQQ"
"""``struct sched_attr``: size, policy, flags, niceness, priority, then nanoseconds of runtime, deadline and period."""


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
        _shorten_slice()
    if os.getsid(0) == os.getpid():
        with suppress(OSError):  # this kernel has no groups, or a container hides them
            Path("/proc/self/autogroup").write_text(str(_SESSION_NICENESS))


def _shorten_slice() -> None:
    """Have the scheduler take the core away sooner; Linux before 6.12 knows no slices of single processes and ignores it."""
    number = _SCHED_SETATTR.get(platform.machine())
    if number is None:
        return
    size = struct.calcsize(_SCHED_ATTR)
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    attributes = struct.pack(_SCHED_ATTR, size, os.SCHED_BATCH, 0, niceness, 0, _SLICE_NANOSECONDS, 0, 0)
    ctypes.CDLL(None).syscall(number, 0, attributes, 0)
