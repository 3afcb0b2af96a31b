"""The argument of feature functions: one visitor at one moment, with the values that several features share."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from zoneinfo import ZoneInfo

from presage_featurizer.errors import FeatureSetError
from presage_featurizer.events import MICROS
from presage_featurizer.sessions import current_session
from presage_featurizer.state import CoreState, Habits, ItemHistory, Session, State

__all__ = ["MAX_UNIX_MICROS", "View", "local_seconds"]

MAX_UNIX_MICROS = 2**53
"""The latest moment that can be featurized, in the year 2255; up to here, microseconds are exact in a double."""

_MINUTE_SECONDS = 60
_NO_STATE = State()
_NO_SESSION = Session("", 0, 0)


class View:
    """One visitor at one moment.

    A visitor without history has an empty state, and one without a current session has an empty session, so that feature functions
    need no special case for either.
    """

    __slots__ = (
        "cart_units", "cart_value_micros", "countries", "local_seconds", "now_unix_micros", "session", "state", "time_zone",
    )  # fmt: skip

    def __init__(
        self, state: CoreState | None, now_unix_micros: int, session_id: str, time_zone: str, countries: dict[str, int]
    ) -> None:
        self.state: CoreState = _NO_STATE if state is None else state
        self.now_unix_micros = now_unix_micros
        self.session = current_session(self.state, now_unix_micros, session_id) or _NO_SESSION
        self.time_zone = time_zone
        self.local_seconds = local_seconds(now_unix_micros, time_zone)
        self.countries = countries
        units = value_micros = 0
        if self.state.cart:
            for line in self.state.cart.values():
                units += line.quantity
                value_micros += line.price_micros * line.quantity
        self.cart_units = units
        self.cart_value_micros = value_micros

    @property
    def habits(self) -> Habits:
        """The visitor's habits; the state must include them."""
        assert isinstance(self.state, State), "expected a whole state for features of habits, got a CoreState"
        return self.state.habits

    @property
    def items(self) -> ItemHistory:
        """The visitor's items; the state must include them."""
        assert isinstance(self.state, State), "expected a whole state for features of items, got a CoreState"
        return self.state.items

    def aggregate(self, name: str) -> float:
        """Return the value of an aggregate that the project declares; only for a project's Python features, by a literal name."""
        raise FeatureSetError(f"aggregate: {name!r} has a value only where a project's features.py was read")

    def days_since(self, then_unix_micros: int) -> float:
        """Return the days since a moment; 0 if it is unknown (0) or in the future, as for a call about the past."""
        if not then_unix_micros or then_unix_micros > self.now_unix_micros:
            return 0.0
        return (self.now_unix_micros - then_unix_micros) / (86_400 * MICROS)


def local_seconds(now_unix_micros: int, time_zone: str) -> int:
    """Return the seconds since 1970-01-01 00:00 on the local clock of a time zone."""
    seconds = now_unix_micros // MICROS
    if time_zone == "UTC":
        return seconds
    # Offsets change on a full minute (the only exception since 1970 is Liberia, in 1972), so one lookup serves a minute of calls.
    return seconds + _utc_offset_seconds(time_zone, seconds // _MINUTE_SECONDS)


@lru_cache(maxsize=4096)
def _utc_offset_seconds(time_zone: str, minute: int) -> int:
    moment = dt.datetime.fromtimestamp(minute * _MINUTE_SECONDS, tz=ZoneInfo(time_zone))
    offset = moment.utcoffset()
    assert offset is not None
    return int(offset.total_seconds())
