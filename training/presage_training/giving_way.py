"""How work that is not urgent leaves a machine to the server beside it.

On two busy cores, with a process that sorts in place of a training and Score at 150/s, p99 was 2.8 to 5.4 times as long in the
server's session, whatever the policy, and 1.0 times in a session of its own. What the policies differ by did not show there.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["give_way", "give_way_as_session", "volunteer_to_be_killed"]

_NICENESS: Final = 19
_SESSION_NICENESS: Final = 10
"""A tenth of the share of another session. At 19, where a machine is busy all the time, training would take forever."""
_KILLED_FIRST: Final = 500


def give_way() -> None:
    """Have other processes go first, and use one core. To be called before numpy is imported.

    A low priority alone decides who gets how much of a core, not who goes first: a server that wakes up may wait for a few
    milliseconds. Linux' policy for idle time lets it go first at once, and makes disk accesses those of idle time, too. Elsewhere,
    and where a container forbids it, the low priority is all.
    """
    os.nice(_NICENESS)
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    # OpenBLAS, OpenMP and Arrow start a thread for each core otherwise, and those that wait for work spin: on each core at once.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def give_way_as_session() -> None:
    """Have other sessions go first; for a process that has been started in one of its own.

    Where Linux groups processes by session (``kernel.sched_autogroup_enabled``, as most distributions do), priorities hold within
    a session only: each session gets as much as any other. In that of the server, training would take from the server's share,
    and in another it would get as much as the server does.
    """
    if sys.platform == "linux" and os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(_SESSION_NICENESS))


def volunteer_to_be_killed() -> None:
    """Have Linux end this process rather than a server or a store when memory runs out."""
    if sys.platform == "linux":
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(_KILLED_FIRST))
