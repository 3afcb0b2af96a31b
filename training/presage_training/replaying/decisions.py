"""Decision points: the moments of a log at which a model is asked about a visitor."""

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
"""What ``parse_decisions`` takes."""

_HOUR_MICROS = 60 * 60 * MICROS
_DAY_HOURS = 24
_MAX_HOURS = 366 * _DAY_HOURS


class DecisionPoints(Protocol):
    """Which moments of a log become rows; it decides from the past alone.

    Those that are tied to an event come right after the event was folded. Those that are not come before the events of the same
    microsecond.
    """

    @property
    def name(self) -> str:
        """What ``parse_decisions`` makes it of."""

    @property
    def follows_events(self) -> bool:
        """Whether every decision point is right after an event of its visitor."""

    def wants(self, event: Event, position: int, prefix_length: int) -> bool:
        """Tell whether the moment right after an event is one.

        Args:
            event: The event; it has been counted, so it is no duplicate.
            position: The event's place in the log, from 0; duplicates have one too.
            prefix_length: Events of the event's session so far, itself included; 0 if it went into no session.
        """

    def moments(self, *, last_seen_unix_micros: int, after_unix_micros: int, until_unix_micros: int) -> Iterable[int]:
        """List the moments that no event of the visitor is tied to, in order.

        Args:
            last_seen_unix_micros: When the visitor was last seen.
            after_unix_micros: The moments are later than this.
            until_unix_micros: The moments are no later than this.
        """


class _FollowsEvents:
    """What the decision points that are tied to events have in common."""

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
        """Any."""
        return True


@dataclass(frozen=True, slots=True)
class EveryNth(_FollowsEvents):
    """After every nth event of the log, which samples all visitors alike; every nth of a visitor would pass over those with few.

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
        """Every nth."""
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
        """One that entered a session which has no more events than that."""
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
        """One of these types."""
        return event.type in self.types


@dataclass(frozen=True, slots=True)
class Calendar:
    """At fixed moments in UTC, for every visitor who was seen before and not too long ago.

    A moment comes as soon as the log, any visitor's event, has reached it: events that arrive later are not known, even if they
    bear an earlier time.

    Raises:
        DatasetError: A field is out of range.
    """

    hours: int = _DAY_HOURS
    """Hours between moments, counted from 1970-01-01 00:00 UTC: 24 gives every midnight."""
    silent_days: int = 30
    """For how long after their last event visitors are asked about; by default as long as a server remembers them by default."""

    def __post_init__(self) -> None:
        _require(1 <= self.hours <= _MAX_HOURS, "every-hours", f"a whole number from 1 to {_MAX_HOURS}", self.hours)
        _require(self.silent_days >= 1, "silent_days", "a whole number from 1 on", self.silent_days)

    @property
    def name(self) -> str:
        """``daily`` or ``every-hours:<hours>``."""
        return "daily" if self.hours == _DAY_HOURS else f"every-hours:{self.hours}"

    @property
    def follows_events(self) -> bool:
        """No."""
        return False

    def wants(self, event: Event, position: int, prefix_length: int) -> bool:  # noqa: ARG002 - none of them
        """None."""
        return False

    def moments(self, *, last_seen_unix_micros: int, after_unix_micros: int, until_unix_micros: int) -> Iterable[int]:
        """Multiples of the interval."""
        interval = self.hours * _HOUR_MICROS
        until = min(until_unix_micros, last_seen_unix_micros + self.silent_days * _DAY_HOURS * _HOUR_MICROS)
        return range((after_unix_micros // interval + 1) * interval, until + 1, interval)


def parse_decisions(text: str) -> DecisionPoints:
    """Read decision points as a command line names them, for example ``every-nth:10`` or ``at:PURCHASE``.

    Raises:
        DatasetError: There are none of that name, or its number or types are not what it takes.
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
