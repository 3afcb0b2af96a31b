"""Features of the moment, in the time zone of the feature set."""

from __future__ import annotations

import datetime as dt

from presage_featurizer.catalogue import feature
from presage_featurizer.view import View

_DAY_SECONDS = 86_400
_UNIX_EPOCH_ORDINAL = dt.date(1970, 1, 1).toordinal()
_UNIX_EPOCH_WEEKDAY = dt.date(1970, 1, 1).weekday()


def _hour(view: View) -> int:
    return view.local_seconds % _DAY_SECONDS // 3_600


def _weekday(view: View) -> int:
    return (view.local_seconds // _DAY_SECONDS + _UNIX_EPOCH_WEEKDAY) % 7


def _month(view: View) -> int:
    return dt.date.fromordinal(view.local_seconds // _DAY_SECONDS + _UNIX_EPOCH_ORDINAL).month


@feature(unit="hour", scope="calendar", high=23.0, default=None)
def hour_of_day(view: View) -> float:
    """Hour of the day, 0 to 23."""
    return _hour(view)


@feature(unit="day", scope="calendar", high=6.0, default=None)
def day_of_week(view: View) -> float:
    """Day of the week, Monday = 0."""
    return _weekday(view)


@feature(unit="flag", scope="calendar", high=1.0, default=None)
def is_weekend(view: View) -> float:
    """1 on Saturday and Sunday."""
    return _weekday(view) >= 5


@feature(unit="flag", scope="calendar", high=1.0, default=None)
def is_business_hours(view: View) -> float:
    """1 from 9:00 until before 17:00, on any day."""
    return 9 <= _hour(view) < 17


@feature(unit="month", scope="calendar", low=1.0, high=12.0, default=None)
def month(view: View) -> float:
    """Month of the year, 1 to 12."""
    return _month(view)


@feature(unit="quarter", scope="calendar", low=1.0, high=4.0, default=None)
def quarter(view: View) -> float:
    """Quarter of the year, 1 to 4."""
    return (_month(view) + 2) // 3
