"""How far a log is from the order of time, and whether a replay of it can be trusted.

What matters is the order within a visitor. An event is late if its time is before that of an earlier event of its visitor in the
log. The fold counts it, but reopens nothing: if the session of that time is over, the event belongs to none, so the session's
features lack it, and a late PURCHASE gives no positive row. The rows between the event's time and its place lack it as well, and
those after its place have seen events from later than it. See ``docs/decisions/sessions-and-late-events.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from presage_featurizer import MICROS, Event

__all__ = [
    "BEHIND_MICROS",
    "MAX_LATE_EVENTS",
    "MAX_LATE_VISITORS",
    "CountedOrder",
    "EventOrder",
    "OrderCounter",
    "merge_orders",
]

MAX_LATE_EVENTS = 0.001
"""The share of late events above which a log has many: about the share of positive rows that they cost."""

MAX_LATE_VISITORS = 0.05
"""The share of visitors with late events above which a log has many, even where a few busy visitors have most of the events."""

BEHIND_MICROS = 3_600 * MICROS
"""An event that is older than the log's newest one by more than this, an hour, is behind the log."""

_UNITS = (("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1))


@dataclass(frozen=True, kw_only=True, slots=True)
class EventOrder:
    """Counts of a log's events that are out of order. Duplicates, which the fold ignores, are none of them."""

    events: int = 0
    """All events, late or not, duplicates included."""
    visitors: int = 0
    """All visitors."""
    late_events: int = 0
    late_visitors: int = 0
    """Visitors with at least one late event."""
    late_without_session: int = 0
    """Late events that belong to no session because theirs is over; refunds, which never belong to one, are not included."""
    max_late_micros: int = 0
    """The longest time by which an event is late."""
    behind_log: int = 0
    """Events that are more than an hour older than the newest event of any visitor before them."""

    @property
    def has_many_late(self) -> bool:
        """Whether so many events are late that training on the log as it is would be wrong."""
        return (
            self.late_events > MAX_LATE_EVENTS * self.events or self.late_visitors > MAX_LATE_VISITORS * self.visitors
        )

    @property
    def has_many_behind(self) -> bool:
        """Whether visitors follow one another in the log, which harms decision points that follow no event."""
        return self.behind_log > MAX_LATE_EVENTS * self.events

    @property
    def description(self) -> str:
        """The counts of late events, as a clause."""
        lost = f"; {self.late_without_session:,} of them fall into no open session" if self.late_without_session else ""
        return (
            f"{self.late_events:,} of {self.events:,} events ({_percent(self.late_events, self.events)}), of "
            f"{self.late_visitors:,} of {self.visitors:,} visitors ({_percent(self.late_visitors, self.visitors)}), come after "
            f"later events of the same visitor, by up to {_duration(self.max_late_micros)}{lost}"
        )

    @property
    def description_behind(self) -> str:
        """The count of events behind the log, as a clause."""
        return (
            f"{self.behind_log:,} of {self.events:,} events ({_percent(self.behind_log, self.events)}) are more than an hour older "
            "than events before them"
        )


class OrderCounter:
    """Counts events that are out of order, one at a time."""

    __slots__ = ("_late_events", "_late_visitors", "_late_without_session", "_max_late_micros", "behind_log")

    def __init__(self) -> None:
        self.behind_log = 0
        """See ``EventOrder``."""
        self._late_events = self._late_visitors = self._late_without_session = self._max_late_micros = 0

    def add_late(self, micros: int, *, is_first_of_visitor: bool, lost_session: bool = False) -> None:
        """Count a late event.

        Args:
            micros: By how much it is late.
            is_first_of_visitor: Whether it is the first late one of its visitor.
            lost_session: Whether it belongs to no session, although events of its type do.
        """
        self._late_events += 1
        self._late_visitors += is_first_of_visitor
        self._late_without_session += lost_session
        self._max_late_micros = max(self._max_late_micros, micros)

    def result(self, *, events: int, visitors: int) -> EventOrder:
        """Return the counts so far, of a log with this many events and visitors."""
        return EventOrder(
            events=events,
            visitors=visitors,
            late_events=self._late_events,
            late_visitors=self._late_visitors,
            late_without_session=self._late_without_session,
            max_late_micros=self._max_late_micros,
            behind_log=self.behind_log,
        )


class CountedOrder:
    """A log that counts its late events as it is read, duplicates included; remembers one time for each visitor."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._events = events
        self._newest: dict[int, int] = {}
        self._late_visitors: set[int] = set()
        self._counter = OrderCounter()
        self._read = 0

    def __iter__(self) -> Iterator[Event]:
        newest = self._newest
        for event in self._events:
            self._read += 1
            visitor, now = hash(event.user_id), event.event_time_unix_micros
            late_micros = newest.get(visitor, now) - now
            if late_micros > 0:
                self._counter.add_late(late_micros, is_first_of_visitor=visitor not in self._late_visitors)
                self._late_visitors.add(visitor)
            else:
                newest[visitor] = now
            yield event

    @property
    def order(self) -> EventOrder:
        """The counts so far; those that need the fold, or the other visitors, stay 0."""
        return self._counter.result(events=self._read, visitors=len(self._newest))


def merge_orders(parts: Sequence[EventOrder]) -> EventOrder:
    """Merge the counts of disjoint visitors of one log."""
    return EventOrder(
        events=sum(part.events for part in parts),
        visitors=sum(part.visitors for part in parts),
        late_events=sum(part.late_events for part in parts),
        late_visitors=sum(part.late_visitors for part in parts),
        late_without_session=sum(part.late_without_session for part in parts),
        max_late_micros=max((part.max_late_micros for part in parts), default=0),
        behind_log=sum(part.behind_log for part in parts),
    )


def _percent(part: int, whole: int) -> str:
    percent = 100 * part / max(whole, 1)
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"


def _duration(micros: int) -> str:
    seconds = micros / MICROS
    name, length = next((unit for unit in _UNITS if seconds >= 2 * unit[1]), _UNITS[-1])
    return f"{seconds / length:,.3g} {name}"
