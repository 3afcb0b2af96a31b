"""Writes down what happens in one visit, and how much time passes in between."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from types import MappingProxyType
from typing import Any

from presage_featurizer.events import MICROS, Event, EventType, Item
from presage_training.simulator.visitors import Visitor

__all__ = ["SESSION_GAP_MICROS", "Recorder"]

SESSION_GAP_MICROS = 30 * 60 * MICROS
"""A visit ends with this idle time: within one, events are less than this apart, and visits of one person are more."""

_PAUSE_MEDIAN_SECONDS = 22.0
_PAUSE_SPREAD = 1.2  # standard deviation of the logarithm of the pause
_PAUSE_MIN_SECONDS = 1.0
_PAUSE_MAX_SECONDS = 25 * 60.0
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Recorder:
    """The events of one visit, in the order in which they happen."""

    def __init__(self, visitor: Visitor, *, start_unix_micros: int, session_ids: bool) -> None:
        visitor.sessions += 1
        self.events: list[Event] = []
        self.now_unix_micros = start_unix_micros
        self._visitor = visitor
        self._device = visitor.pick_device()
        self.session_id = f"{visitor.user_id}-s{visitor.sessions:03d}" if session_ids else ""

    def emit(
        self,
        event_type: EventType,
        *items: Item,
        order_id: str = "",
        value_micros: int | None = None,
        numbers: Mapping[str, float] = _NOTHING,
        labels: Mapping[str, str] = _NOTHING,
    ) -> None:
        """Add one event. All but the first happen a while after the one before."""
        visitor = self._visitor
        if self.events:
            pause = visitor.rng.lognormvariate(log(_PAUSE_MEDIAN_SECONDS), _PAUSE_SPREAD)
            self.now_unix_micros += int(min(max(pause, _PAUSE_MIN_SECONDS), _PAUSE_MAX_SECONDS) * MICROS)
        visitor.events += 1
        visitor.last_event_unix_micros = self.now_unix_micros
        self.events.append(
            Event(
                event_id=f"{visitor.user_id}-{visitor.events:05d}",
                type=event_type,
                user_id=visitor.user_id,
                event_time_unix_micros=self.now_unix_micros,
                session_id=self.session_id,
                items=items,
                country=visitor.country,
                device=self._device,
                order_id=order_id,
                value_micros=value_micros,
                currency="EUR" if order_id else "",
                numbers=dict(numbers),
                labels=dict(labels),
            )
        )
