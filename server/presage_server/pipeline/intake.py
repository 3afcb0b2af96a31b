"""Which calls go into the next batch: checked, queued or rejected, and decoded; large requests a slice at a time."""

from __future__ import annotations

from collections.abc import Sequence

from presage_server.call import Call
from presage_server.errors import DeadlineError, OverloadedError, RpcError
from presage_server.pipeline.backlog import Backlog, LargeCall, newest_of_each
from presage_server.pipeline.batch import Batch
from presage_server.pipeline.overload import OverloadPolicy
from presage_server.rpc.registry import Interceptor, Method
from presage_server.rpc.status import internal_error, status_of
from presage_server.telemetry.metrics import Metrics

__all__ = ["Intake"]

_MIN_SECONDS = 0.001
"""A call with less time left is ended at once: its caller would not see the reply."""
_LARGE_UNITS = 16
"""Requests with more work than this are processed in slices."""
_SLICE_UNITS, _LONE_SLICE_UNITS = 32, 128
"""The work of a slice in a batch with small calls, and if there have been none for a moment; otherwise it is a whole batch."""
_MOMENT_SECONDS = 0.01
_HEAVY_CALL_UNITS = 8
_HEAVY_UNITS = 1
"""The work of heavy calls in a batch where small calls are about: one call, since the small calls of the next batch wait for it."""

_OVERLOADED = status_of(
    OverloadedError("more calls are waiting than can be answered in time; try again, later or elsewhere")
)


class Intake:
    """Turns the calls that arrive into batches of bounded work.

    Args:
        methods: What is served.
        interceptors: Run in order on each call's metadata before its request is parsed.
        overload: Decides which calls are rejected.
        metrics: Counts calls.
        timeout_seconds: The longest time that any call may take.
    """

    def __init__(
        self,
        methods: Sequence[Method],
        interceptors: Sequence[Interceptor],
        overload: OverloadPolicy,
        metrics: Metrics,
        timeout_seconds: float,
    ) -> None:
        self._methods = {method.path: method for method in methods}
        self._interceptors = interceptors
        self._overload = overload
        self._metrics = metrics
        self._timeout_seconds = timeout_seconds
        self._backlog = Backlog()
        self._heavy = Backlog()
        self._heavy_overload = overload.companion(call_units=_HEAVY_CALL_UNITS)
        self._small_at = 0.0
        """When there last were small calls."""

    @property
    def waiting(self) -> bool:
        """Whether calls wait for a later batch, but for heavy ones."""
        return bool(self._backlog)

    @property
    def heavy_waiting(self) -> bool:
        """Whether heavy calls wait for a later batch."""
        return bool(self._heavy)

    def small_lately(self, now: float) -> bool:
        """Return whether there were small calls a moment ago."""
        return now - self._small_at < _MOMENT_SECONDS

    def next_batch(
        self, arrived: Sequence[Call], now: float, *, required: bool, heavy: bool = True
    ) -> tuple[Batch | None, int]:
        """Choose and decode the calls of the next batch.

        Args:
            arrived: The calls that have arrived since the batch before.
            now: The time, in seconds of ``time.monotonic``.
            required: Whether a batch is needed even without any call.
            heavy: Whether heavy calls may be taken.

        Returns:
            The batch, None if there is nothing to do, and its units of work.
        """
        backlog, overload = self._backlog, self._overload
        if overload.overloaded and len(arrived) > overload.batch_units:
            arrived = self._reject_excess(arrived)
        small, heavies = [], []
        for call in arrived:
            if self._passes(call, now):
                if self._methods[call.method].heavy:
                    heavies.append(call)
                elif call.units <= _LARGE_UNITS:
                    small.append(call)
                else:
                    self._open(call, now)
        if backlog.units or len(small) > overload.batch_units:
            self._queue(small, backlog, overload, now)
            small = backlog.take(overload.batch_units, newest_first=overload.overloaded)
        if heavies:
            self._queue(heavies, self._heavy, self._heavy_overload, now, ahead=backlog.units)
        heavies = self._take_heavy(small, now) if heavy and self._heavy else []
        if not (small or heavies or backlog.large or required):
            return None, 0
        batch = Batch(now)
        if small:
            self._small_at = now
        units = 0
        for call in small + heavies:
            units += call.units
            self._decode(call, batch, now)
        if backlog.large:
            units += self._add_slice(batch, self._slice_units(small, now), now)
        batch.stages.mark("decode")
        return batch, units

    def _reject_excess(self, arrived: Sequence[Call]) -> Sequence[Call]:
        """Reject all but the newest calls of each connection, as many as the short queue of an overload holds.

        This comes before everything else that is done for a call: with several times the calls that can be served, rejecting them
        must not be what the time is spent on.
        """
        self._overload.note_queue(len(arrived), 0.0)
        kept, rest = newest_of_each(arrived, self._overload.queue_units)
        for call in rest:
            self._count_at_end(call)
            call.fail(_OVERLOADED)
        if rest:
            self._overload.note_rejected()
        return kept

    def _count_at_end(self, call: Call) -> None:
        """Have a call counted when it ends, or now if it ended before it was taken."""
        call.on_end = self._metrics.count_call
        if call.code is not None:
            self._metrics.count_call(call)

    def _passes(self, call: Call, now: float) -> bool:
        """Check a call before its request is parsed, and weigh it; a call that does not pass has been ended."""
        self._count_at_end(call)
        if call.code is not None:
            return False
        latest = call.received + self._timeout_seconds
        call.deadline = min(call.deadline, latest)
        if call.deadline - now < _MIN_SECONDS:
            call.fail(DeadlineError("the call arrived with no time left"))
            return False
        try:
            for interceptor in self._interceptors:
                interceptor.intercept(call)
        except Exception as error:  # noqa: BLE001 - the call's own
            _fail(call, error)
            return False
        method = self._methods[call.method]
        call.units = method.units + len(call.request) // method.bytes_per_unit
        return True

    def _take_heavy(self, small: Sequence[Call], now: float) -> list[Call]:
        """Take heavy calls: as many as fill a batch, or one if small calls are about."""
        overload = self._heavy_overload
        units = _HEAVY_UNITS if small or self.small_lately(now) else overload.batch_units
        return self._heavy.take(units, newest_first=overload.overloaded)

    def _queue(
        self, calls: list[Call], backlog: Backlog, overload: OverloadPolicy, now: float, *, ahead: int = 0
    ) -> None:
        """Queue calls behind so much other work, and reject those that could not be answered in time."""
        queued = []
        ahead += backlog.units
        rejected = []
        for call in calls:
            if overload.can_answer(call, ahead, now):
                queued.append(call)
                ahead += call.units
            else:
                rejected.append(call)
        backlog.add(queued)
        oldest = backlog.oldest
        if oldest is not None:
            overload.note_queue(backlog.units, max(0.0, oldest.deadline - now))
        if overload.overloaded:
            rejected += backlog.shorten(overload.queue_units)
        if rejected:
            overload.note_rejected()
            for call in rejected:
                call.fail(_OVERLOADED)

    def _open(self, call: Call, now: float) -> None:
        """Parse a request that may be large, and queue it."""
        method = self._methods[call.method]
        if not self._overload.can_answer(call, self._backlog.units + call.units, now):
            self._overload.note_rejected()
            call.fail(OverloadedError("the call could not be answered in time; try again, later or elsewhere"))
        elif method.open is None:
            self._backlog.add((call,))
        else:
            try:
                self._backlog.large.append(LargeCall(call, method.open(call)))
            except Exception as error:  # noqa: BLE001 - the call's own
                _fail(call, error)

    def _decode(self, call: Call, batch: Batch, now: float) -> None:
        """Decode a small call into a batch."""
        if call.deadline <= now:
            call.fail(DeadlineError("the call's time was over before its turn came"))
            return
        method = self._methods[call.method]
        if call.trace is not None:
            call.trace.note_batch(batch.stages)
        try:
            if method.decode is not None:
                method.decode(call, batch)
            elif method.open is not None and (slices := method.open(call)).add_to(batch, _LARGE_UNITS):
                self._backlog.large.append(LargeCall(call, slices))
        except Exception as error:  # noqa: BLE001 - the call's own
            _fail(call, error)

    def _slice_units(self, small: Sequence[Call], now: float) -> int:
        """Choose how large a slice may be: the small calls of the next batch wait for it."""
        if small:
            return _SLICE_UNITS
        return self._overload.batch_units if now - self._small_at < _MOMENT_SECONDS else _LONE_SLICE_UNITS

    def _add_slice(self, batch: Batch, units: int, now: float) -> int:
        """Decode the next part of the large call whose turn it is; return its units of work."""
        large = self._backlog.large
        first = large.popleft()
        call = first.call
        if call.deadline <= now:
            call.fail(DeadlineError("the call's time was over before all of it was processed"))
        if call.code is not None:
            return 0
        if call.trace is not None:
            call.trace.note_batch(batch.stages)
        try:
            if first.slices.add_to(batch, units):
                large.append(first)
        except Exception as error:  # noqa: BLE001 - the call's own
            _fail(call, error)
        return units


def _fail(call: Call, error: Exception) -> None:
    call.fail(error if isinstance(error, RpcError) else internal_error(error, call.method, call.metadata))
