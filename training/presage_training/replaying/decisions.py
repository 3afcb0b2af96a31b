"""Decision points: the moments of a log at which a model predicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from presage_featurizer import MICROS, Event, EventType
from presage_training.errors import DatasetError

__all__ = [
    "DECISION_NAMES",
    "AtTypes",
    "Calendar",
    "DecisionPoints",
    "EveryEvent",
    "EveryNth",
    "SessionPrefix",
    "parse_decisions",
]

DECISION_NAMES = ("every-event", "every-nth:N", "session-prefix:N", "daily", "every-hours:N", "at:TYPE[,TYPE...]")
"""The names that ``parse_decisions`` accepts."""

_HOUR_MICROS = 60 * 60 * MICROS
_DAY_HOURS = 24
_MAX_HOURS = 366 * _DAY_HOURS


class DecisionPoints(Protocol):
    """The moments of a log that become rows, chosen from the past alone.

    A moment after an event comes right after the event was folded. Other moments come before the events of the same microsecond.
    """

    @property
    def name(self) -> str:
        """The text that ``parse_decisions`` reads."""

    @property
    def follows_events(self) -> bool:
        """Whether every decision point is right after an event of its visitor."""

    def wants(self, event: Event, position: int, prefix_length: int) -> bool:
        """Return whether the moment right after an event is one.

        Args:
            event: The event; never a duplicate.
            position: The event's position in the log, from 0; duplicates count.
            prefix_length: Events of the session so far, this one included; 0 if it belongs to no session.
        """

    def moments(self, *, last_seen_unix_micros: int, after_unix_micros: int, until_unix_micros: int) -> Iterable[int]:
        """List the moments that follow no event, in order.

        Args:
            last_seen_unix_micros: The time of the visitor's last event.
            after_unix_micros: The moments are later than this.
            until_unix_micros: The moments are no later than this.
        """


class _FollowsEvents:
    """Base of decision points that follow events."""

    __slots__ = ()

    @property
    def follows_events(self) -> bool:
        return True

    def moments(self, *, last_seen_unix_micros: int, after_unix_micros: int, until_unix_micros: int) -> Iterable[int]:  # noqa: ARG002 - there are none
        return ()


@dataclass(frozen=True, slots=True)
class EveryEvent(_FollowsEvents):
    """After every event."""

    @property
    def name(self) -> str:
        """``every-event``."""
        return "every-event"

    def wants(self, event: Event, position: int, prefix_length: int) -> bool:  # noqa: ARG002 - all of them
        return True


@dataclass(frozen=True, slots=True)
class EveryNth(_FollowsEvents):
    """After every nth event of the log, over all visitors: every nth event of each visitor would miss those with few.

    Raises:
        DatasetError: n is below 1.
    """

    n: int
    """The nth event is the first decision point."""

    def __post_init__(self) -> None:
        _require(self.n >= 1, "every-nth", "a whole number from 1 on", self.n)

    @property
    def name(self) -> str:
        """``every-nth:<n>``."""
        return f"every-nth:{self.n}"

    def wants(self, event: Event, position: int, prefix_length: int) -> bool:  # noqa: ARG002 - the position alone
        return (position + 1) % self.n == 0


@dataclass(frozen=True, slots=True)
class SessionPrefix(_FollowsEvents):
    """After each of the first events of every session.

    Raises:
        DatasetError: The number of events is below 1.
    """

    events: int
    """How many of a session's events."""

    def __post_init__(self) -> None:
        _require(self.events >= 1, "session-prefix", "a whole number from 1 on", self.events)

    @property
    def name(self) -> str:
        """``session-prefix:<events>``."""
        return f"session-prefix:{self.events}"

    def wants(self, event: Event, position: int, prefix_length: int) -> bool:  # noqa: ARG002 - the prefix alone
        """Return whether the session has no more events than that."""
        return 1 <= prefix_length <= self.events


@dataclass(frozen=True, slots=True)
class AtTypes(_FollowsEvents):
    """After every event of some types.

    Raises:
        DatasetError: No type is given, or UNSPECIFIED.
    """

    types: frozenset[EventType]
    """Which types."""

    def __post_init__(self) -> None:
        given = ",".join(sorted(event_type.name for event_type in self.types)) or "nothing"
        _require(bool(self.types) and EventType.UNSPECIFIED not in self.types, "at", "event types", given)

    @property
    def name(self) -> str:
        """``at:<TYPE>[,<TYPE>...]``, in the order of the types' numbers."""
        return "at:" + ",".join(event_type.name for event_type in sorted(self.types))

    def wants(self, event: Event, position: int, prefix_length: int) -> bool:  # noqa: ARG002 - the type alone
        return event.type in self.types


@dataclass(frozen=True, slots=True)
class Calendar:
    """At fixed moments in UTC, for every visitor who had an event in the last ``silent_days``.

    A moment comes as soon as any event of the log reaches it: events that arrive later are not included, even with an earlier time.

    Raises:
        DatasetError: A field is out of range.
    """

    hours: int = _DAY_HOURS
    """Hours between moments, counted from 1970-01-01 00:00 UTC: 24 gives every midnight."""
    silent_days: int = 30
    """How long after their last event visitors still give rows; by default as long as a server keeps their state by default."""

    def __post_init__(self) -> None:
        _require(1 <= self.hours <= _MAX_HOURS, "every-hours", f"a whole number from 1 to {_MAX_HOURS}", self.hours)
        _require(self.silent_days >= 1, "silent_days", "a whole number from 1 on", self.silent_days)

    @property
    def name(self) -> str:
        """``daily`` or ``every-hours:<hours>``."""
        return "daily" if self.hours == _DAY_HOURS else f"every-hours:{self.hours}"

    @property
    def follows_events(self) -> bool:
        return False

    def wants(self, event: Event, position: int, prefix_length: int) -> bool:  # noqa: ARG002 - none of them
        return False

    def moments(self, *, last_seen_unix_micros: int, after_unix_micros: int, until_unix_micros: int) -> Iterable[int]:
        """List multiples of the interval."""
        interval = self.hours * _HOUR_MICROS
        until = min(until_unix_micros, last_seen_unix_micros + self.silent_days * _DAY_HOURS * _HOUR_MICROS)
        return range((after_unix_micros // interval + 1) * interval, until + 1, interval)


def parse_decisions(text: str) -> DecisionPoints:
    """Read decision points as a command line names them, for example ``every-nth:10`` or ``at:PURCHASE``.

    Raises:
        DatasetError: The name is unknown, or its number or types are out of range.
    """
    if text == "daily":
        return Calendar()
    if text == "every-event":
        return EveryEvent()
    kind, colon, argument = text.partition(":")
    of_number: dict[str, Callable[[int], DecisionPoints]] = {
        "every-nth": EveryNth,
        "session-prefix": SessionPrefix,
        "every-hours": Calendar,
    }
    if colon and kind in of_number:
        _require(argument.isdecimal() and argument.isascii(), kind, "a whole number from 1 on", argument)
        return of_number[kind](int(argument))
    if colon and kind == "at":
        names = argument.split(",")
        unknown = [name for name in names if name not in EventType.__members__]
        _require(not unknown, "at", f"event types such as {EventType.PURCHASE.name}", ",".join(unknown) or "nothing")
        return AtTypes(frozenset(EventType[name] for name in names))
    raise DatasetError(f"decision points: expected one of {', '.join(DECISION_NAMES)}, got {text!r}")


def _require(holds: bool, name: str, expected: str, got: object) -> None:  # noqa: FBT001 - reads like an assertion
    if not holds:
        raise DatasetError(f"decision points: {name}: expected {expected}, got {got!r}")
