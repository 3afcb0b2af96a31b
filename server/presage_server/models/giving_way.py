"""Python that runs beside the thread that serves, and lets it go first."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter, sleep
from types import FrameType

__all__ = ["giving_way"]

_WORK_SECONDS = 0.0002
_PAUSE_SECONDS = 0.001


@contextmanager
def giving_way(*, work_seconds: float = _WORK_SECONDS, pause_seconds: float = _PAUSE_SECONDS) -> Iterator[None]:
    """Have this thread pause after each interval of running Python, for as long as the context lasts.

    The interpreter's lock is not given to the thread that waits for it, but to the one that asks first. A thread that serves gives
    it back at each system call, so beside one that computes it waits for it each time, and takes three times as long for a batch.
    A pause comes at the first call of a function after the time is over. A profiler of this thread does not see what runs here.

    Args:
        work_seconds: After how long it pauses.
        pause_seconds: For how long.
    """
    until = perf_counter() + work_seconds

    def pause(_frame: FrameType, _event: str, _argument: object) -> None:
        nonlocal until
        if perf_counter() >= until:
            sleep(pause_seconds)
            until = perf_counter() + work_seconds

    before = sys.getprofile()
    sys.setprofile(pause)
    try:
        yield
    finally:
        sys.setprofile(before)
