"""What is wrong with a store that answers but rejects commands: one line in the log when it starts, one when it ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from enum import StrEnum
from time import monotonic

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from presage_server.log_ids import without_ids
from presage_server.store.resp import ReplyError

__all__ = ["StoreTrouble", "Trouble"]

_logger = logging.getLogger(__name__)

_CALM_SECONDS = 1.0
"""Trouble ends with the first write this long after the last rejection: a store at its limit takes some writes and not others."""

_UNREACHABLE = "unreachable"


class Trouble(StrEnum):
    """Why a store rejects commands."""

    FULL = "full"
    DISK = "disk"
    READ_ONLY = "read_only"
    LOADING = "loading"
    CLUSTER = "cluster"
    OTHER = "other"

    @classmethod
    def of(cls, error: ReplyError) -> Trouble:
        """Classify an error of the store. Redis before 7 hides a script's error in the text of another."""
        text = str(error)
        if "OOM command not allowed" in text or text.startswith("OOM "):
            return cls.FULL
        if text.startswith(("READONLY", "MASTERDOWN")) or "can't write against a read only replica" in text:
            return cls.READ_ONLY
        if "MISCONF" in text:
            return cls.DISK
        if text.startswith(("CLUSTERDOWN", "MOVED", "ASK", "TRYAGAIN")):
            return cls.CLUSTER
        return cls.LOADING if text.startswith("LOADING") else cls.OTHER


_MEANINGS = {
    Trouble.FULL: "the store is out of memory; give it more, or shorten state_ttl_days: events are rejected",
    Trouble.DISK: "the store cannot write to its disk; is that full? Events are rejected",
    Trouble.READ_ONLY: "the store is a read-only replica; the primary is looked for: events are rejected, scores are degraded",
    Trouble.LOADING: "the store is loading its data: events are rejected, scores are degraded",
    Trouble.CLUSTER: "the store's cluster is not whole: events are rejected, scores are degraded",
    Trouble.OTHER: "the store rejects commands",
}


class _Course:
    """How one kind of trouble goes."""

    __slots__ = ("last_at", "lasts", "rejections", "rejections_before", "since", "starts")

    def __init__(self) -> None:
        self.lasts = False
        self.starts = self.rejections = self.rejections_before = 0
        self.since = self.last_at = 0.0


class StoreTrouble(Collector):
    """Logs and counts what the store rejects, by kind; exports ``presage_store_…`` metrics.

    Args:
        is_unreachable: Returns whether the store does not answer at all, which the link logs.
        outages: Returns how often that began.
        clock: Seconds.
    """

    def __init__(
        self, is_unreachable: Callable[[], bool], outages: Callable[[], int], clock: Callable[[], float] = monotonic
    ) -> None:
        self._is_unreachable = is_unreachable
        self._outages = outages
        self._clock = clock
        self._courses = {trouble: _Course() for trouble in Trouble}
        self.lasts = False
        """Whether there is any, so that ``note_write`` is needed."""

    def note_rejection(self, error: ReplyError) -> Trouble:
        """Count a rejected command; the first one of its kind is logged, with the store's text, which callers do not get."""
        trouble = Trouble.of(error)
        course, now = self._courses[trouble], self._clock()
        course.rejections += 1
        course.last_at = now
        if not course.lasts:
            course.lasts = self.lasts = True
            course.starts += 1
            course.since, course.rejections_before = now, course.rejections - 1
            _logger.error("%s (%s)", _MEANINGS[trouble], without_ids(str(error)))
        return trouble

    def note_write(self) -> None:
        """Note that the store took a write: what it has not rejected anything for since a moment is over."""
        now = self._clock()
        for trouble, course in self._courses.items():
            if course.lasts and now - course.last_at >= _CALM_SECONDS:
                course.lasts = False
                _logger.warning(
                    "the store takes commands again: it had rejected %d in %.0f s (%s)",
                    course.rejections - course.rejections_before,
                    course.last_at - course.since,
                    trouble.value,
                )
        self.lasts = any(course.lasts for course in self._courses.values())

    def collect(self) -> Iterator[Metric]:
        lasting = GaugeMetricFamily(
            "presage_store_trouble", "1 while the store is in this kind of trouble, otherwise 0.", labels=["kind"]
        )
        starts = CounterMetricFamily(
            "presage_store_trouble_starts", "How often each kind of trouble with the store began.", labels=["kind"]
        )
        rejections = CounterMetricFamily(
            "presage_store_rejections", "Commands that the store rejected, by kind of trouble.", labels=["kind"]
        )
        lasting.add_metric([_UNREACHABLE], self._is_unreachable())
        starts.add_metric([_UNREACHABLE], self._outages())
        for trouble, course in self._courses.items():
            lasting.add_metric([trouble.value], course.lasts)
            starts.add_metric([trouble.value], course.starts)
            rejections.add_metric([trouble.value], course.rejections)
        yield from (lasting, starts, rejections)
