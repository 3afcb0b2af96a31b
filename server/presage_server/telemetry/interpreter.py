"""CPython in a process that serves: settings of the interpreter, and histograms of its pauses."""

from __future__ import annotations

import asyncio
import gc
import sys
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from time import perf_counter

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

__all__ = ["GcPauses", "LoopLag", "exported_pauses", "tune_interpreter"]

_THRESHOLDS = (50_000, 20, 100)
_SWITCH_SECONDS = 0.00005
_GC_EDGES_SECONDS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_LAG_EDGES_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_LAG_EVERY_SECONDS = 0.1


def tune_interpreter() -> None:
    """Keep garbage collection and other threads from holding up calls; for a process of the server's own.

    Call it once all is loaded and warm. What exists by then stays for as long as the process does, so the collector need not search
    it again; it cannot be switched off, since tracebacks refer to each other in circles. Another thread that runs Python, such as
    the one that serves metrics, gives the interpreter's lock back after half a millisecond instead of five.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    sys.setswitchinterval(_SWITCH_SECONDS)


@contextmanager
def exported_pauses(registry: CollectorRegistry) -> Iterator[None]:
    """Count the garbage collector's pauses and the running loop's lag for as long as the context lasts.

    Args:
        registry: Where both histograms are exported from; a registry takes them once.
    """
    pauses, lag = GcPauses(registry), LoopLag(registry)
    gc.callbacks.append(pauses.note)
    lag.start()
    try:
        yield
    finally:
        lag.stop()
        gc.callbacks.remove(pauses.note)


class GcPauses(Collector):
    """The histogram ``presage_gc_pause_seconds``: how long the garbage collector stopped everything.

    It only adds up plain numbers until it is asked. The collector can run at any allocation, also while a metric's lock is held,
    so a metric of the usual kind could deadlock on its own lock.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counts = [[0] * (len(_GC_EDGES_SECONDS) + 1) for _ in gc.get_threshold()]
        self._seconds = [0.0 for _ in self._counts]
        self._started = perf_counter()
        registry.register(self)

    def note(self, phase: str, info: dict[str, int]) -> None:
        """Count one run, for ``gc.callbacks``."""
        if phase == "start":
            self._started = perf_counter()
            return
        seconds, generation = perf_counter() - self._started, info["generation"]
        self._counts[generation][bisect_left(_GC_EDGES_SECONDS, seconds)] += 1
        self._seconds[generation] += seconds

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(
            "presage_gc_pause_seconds", "Pauses of the garbage collector, by generation.", labels=["generation"]
        )
        edges = [*map(floatToGoString, _GC_EDGES_SECONDS), "+Inf"]
        for generation, counts in enumerate(self._counts):
            buckets = list(zip(edges, map(float, accumulate(counts)), strict=True))
            family.add_metric([str(generation)], buckets, self._seconds[generation])
        yield family


class LoopLag:
    """The histogram ``presage_event_loop_lag_seconds``: how late a timer of the running loop is, ten times a second.

    The loop's timers count in milliseconds, so anything up to two of them can be the timer's own.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lag = Histogram(
            "presage_event_loop_lag_seconds",
            "How late a timer is: how long something that came in may have waited for the event loop.",
            buckets=_LAG_EDGES_SECONDS,
            registry=registry,
        )
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._due = perf_counter() + _LAG_EVERY_SECONDS
        self._timer = asyncio.get_running_loop().call_later(_LAG_EVERY_SECONDS, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._lag.observe(max(0.0, perf_counter() - self._due))
        self.start()
