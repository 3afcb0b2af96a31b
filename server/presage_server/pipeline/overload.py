"""The overload policy: which calls are rejected because they could not be answered in time, and how much is taken on at once.

Calls are queued first. A call is rejected when the processor time of the work ahead of it is more than a share of the time that
it has left: Little's law, with the deadline as the time in the system. If the queue stays long, more is coming than can be served,
and every call would wait for as long as its deadline allows. Then the newest calls are served first and the queue is kept short, so
that what is answered is answered soon and what is rejected is rejected at once.

Everything is counted in processor time of the serving thread, never in wall time: a busy machine is not an overloaded server.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, thread_time

from presage_server.call import Call

__all__ = ["OverloadPolicy"]

_FIRST_GUESS_SECONDS = 50e-6
_SMOOTHING_UNITS = 512.0
_MEASURED_UNITS = 32
_DEADLINE_SHARE = 0.5
_LONG_UNITS = 1_024
_LONG_SHARE = 0.02
"""A queue is long if it has more work than this, and takes more than this share of the time that its oldest call has left."""
_LONG_FOR_SECONDS = 0.1
_SHORT_QUEUE_SECONDS = 0.004
_CALM_SECONDS = 0.2
_BATCH_UNITS = 64
_OVERLOADED_BATCH_UNITS = 32
_NO_QUEUE_UNITS = 64


class OverloadPolicy:
    """Estimates what work costs, and decides by it. For one serving thread.

    Args:
        clock: Seconds of wall time.
        processor_clock: Seconds of processor time of the serving thread.
    """

    def __init__(
        self, clock: Callable[[], float] = monotonic, processor_clock: Callable[[], float] = thread_time
    ) -> None:
        self._clock = clock
        self._processor_clock = processor_clock
        self._spent: float | None = None
        self._units = 0
        """Work done since the processor time was last read."""
        self._unit_seconds = _FIRST_GUESS_SECONDS
        self._long_units = _LONG_UNITS
        self._long_since: float | None = None
        self._rejected_at = 0.0
        self.overloaded = False
        """Whether the newest calls go first and the queue is kept short."""

    def companion(self, *, call_units: int) -> OverloadPolicy:
        """Return a policy for another queue of the same thread: with a state of its own, and these estimates of what work costs.

        Args:
            call_units: How much work a usual call of that queue is.
        """
        return _Companion(self, self._clock, self._processor_clock, call_units)

    @property
    def unit_seconds(self) -> float:
        """What a unit of work costs."""
        return self._unit_seconds

    @property
    def batch_units(self) -> int:
        """How much work goes into a batch; less in an overload, when calls to be rejected wait for its end."""
        return _OVERLOADED_BATCH_UNITS if self.overloaded else _BATCH_UNITS

    @property
    def queue_units(self) -> int:
        """How much work may wait in an overload."""
        return max(_NO_QUEUE_UNITS, int(_SHORT_QUEUE_SECONDS / self.unit_seconds))

    def can_answer(self, call: Call, units_ahead: int, now: float) -> bool:
        """Return whether a call could be answered before its deadline if it were queued behind so many units of work."""
        if units_ahead <= _NO_QUEUE_UNITS:
            return True
        return units_ahead * self.unit_seconds <= _DEADLINE_SHARE * (call.deadline - now)

    def note_queue(self, units: int, seconds_left: float) -> None:
        """Note how much work waits, and how much time the oldest call has left: a long queue that stays is an overload."""
        if self.overloaded:
            if self._clock() - self._rejected_at > _CALM_SECONDS:
                self.overloaded, self._long_since = False, None
        elif units <= self._long_units or units * self.unit_seconds < _LONG_SHARE * seconds_left:
            self._long_since = None
        elif self._long_since is None:
            self._long_since = self._processor_clock()
        elif self._processor_clock() - self._long_since > _LONG_FOR_SECONDS:
            self.overloaded = True
            self._rejected_at = self._clock()

    def note_rejected(self) -> None:
        """Note that calls were rejected."""
        self._rejected_at = self._clock()

    def note_work(self, units: int) -> None:
        """Note how much work has been done since the last note; learns what a unit costs, with all that surrounds it."""
        self._units += units
        if self._units < _MEASURED_UNITS and self._spent is not None:
            return
        units, self._units = self._units, 0
        spent = self._processor_clock()
        if self._spent is not None:
            measured = (spent - self._spent) / units
            self._unit_seconds += (measured - self._unit_seconds) * min(1.0, units / _SMOOTHING_UNITS)
        self._spent = spent

    def note_idle(self) -> None:
        """Note that nothing is in progress: what the thread does until the next call is not that call's cost."""
        self._spent, self._units = None, 0


class _Companion(OverloadPolicy):
    def __init__(
        self,
        measuring: OverloadPolicy,
        clock: Callable[[], float],
        processor_clock: Callable[[], float],
        call_units: int,
    ) -> None:
        super().__init__(clock, processor_clock)
        self._measuring = measuring
        self._long_units = _LONG_UNITS * call_units  # a closed loop of as many callers is no overload here, either

    @property
    def unit_seconds(self) -> float:
        return self._measuring.unit_seconds
