"""The interpreter of a process that only serves: its garbage collector kept from pausing calls, and its pauses measured."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from presage_server.counting import Distribution
from presage_server.metrics import Metrics

__all__ = ["calmed"]

_THRESHOLDS = (50_000, 20, 100)
_LAG_SECONDS = 0.1


@contextmanager
def calmed(metrics: Metrics) -> Iterator[None]:
    """Keep the garbage collector from looking through all that start-up has made, for as long as the context lasts.

    What exists now (modules, models, descriptors) is moved out of the collector's sight, and it looks less often for new cycles:
    with the thresholds that Python comes with, a full collection under load takes tens of milliseconds. Its pauses, and how late
    the loop runs what is due, are counted from here on.
    """
    loop = asyncio.get_running_loop()
    thresholds = gc.get_threshold()
    pauses = _Pauses(metrics.gc_pauses)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    gc.callbacks.append(pauses)
    lag = _Lag(loop, metrics.loop_lag)
    try:
        yield
    finally:
        lag.stop()
        gc.callbacks.remove(pauses)
        gc.set_threshold(*thresholds)
        gc.unfreeze()


class _Pauses:
    """Times the collector; it may run anywhere, so nothing here may take a lock."""

    def __init__(self, pauses: Distribution) -> None:
        self._pauses = pauses
        self._began = 0.0

    def __call__(self, phase: str, _info: dict[str, Any]) -> None:
        if phase == "start":
            self._began = perf_counter()
        else:
            self._pauses.observe(perf_counter() - self._began)


class _Lag:
    """Asks the loop to be called again and again, and notes how late it is."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lag: Distribution) -> None:
        self._loop = loop
        self._lag = lag
        self._due = loop.time() + _LAG_SECONDS
        self._handle = loop.call_at(self._due, self._look)

    def stop(self) -> None:
        """Ask no more."""
        self._handle.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        self._lag.observe(max(0.0, now - self._due))
        self._due = now + _LAG_SECONDS
        self._handle = self._loop.call_at(self._due, self._look)
