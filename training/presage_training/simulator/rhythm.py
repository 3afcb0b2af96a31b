"""When people shop: hours of the day, days of the week, days of the month, all in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import accumulate
from random import Random

from presage_featurizer.events import MICROS

__all__ = ["DAY_MICROS", "Rhythm", "is_evening", "is_payday"]

HOUR_MICROS = 3600 * MICROS
DAY_MICROS = 24 * HOUR_MICROS

# Relative traffic from midnight on: a quiet night, a bump at lunch, a peak in the evening.
_HOUR_WEIGHTS = (2, 1, 1, 1, 1, 2, 4, 6, 8, 10, 11, 12, 14, 12, 11, 11, 12, 14, 17, 20, 22, 19, 12, 6)
_HOUR_CUMULATIVE_WEIGHTS = tuple(accumulate(_HOUR_WEIGHTS))
_WEEKDAY_WEIGHTS = (1.0, 0.95, 0.95, 1.0, 1.05, 1.3, 1.4)  # from Monday on
_EVENING_HOURS = range(18, 23)
_LAST_DAY_AFTER_PAYDAY = 3
_PAYDAY = 27


def is_evening(unix_micros: int) -> bool:
    """Return whether it is between 18:00 and 23:00."""
    return unix_micros % DAY_MICROS // HOUR_MICROS in _EVENING_HOURS


def is_payday(unix_micros: int) -> bool:
    """Return whether it is just after payday: from the 27th to the 3rd of the next month."""
    day_of_month = datetime.fromtimestamp(unix_micros // MICROS, UTC).day
    return day_of_month >= _PAYDAY or day_of_month <= _LAST_DAY_AFTER_PAYDAY


class Rhythm:
    """Draws moments within the simulated days, as often as people shop then."""

    def __init__(self, *, start_unix_micros: int, days: int) -> None:
        self._start = start_unix_micros
        self._end = start_unix_micros + days * DAY_MICROS
        # One draw a calendar day, so that the hours keep their meaning when the simulation starts in the middle of a day.
        self._midnights = range(start_unix_micros - start_unix_micros % DAY_MICROS, self._end, DAY_MICROS)
        self._cumulative_weights = list(
            accumulate(
                _WEEKDAY_WEIGHTS[datetime.fromtimestamp(midnight // MICROS, UTC).weekday()]
                for midnight in self._midnights
            )
        )

    def is_over(self, unix_micros: int) -> bool:
        """Return whether the simulated days have ended."""
        return unix_micros >= self._end

    def any_moment(self, rng: Random) -> int:
        """Draw a moment of any of the days, in Unix microseconds."""
        while True:
            [midnight] = rng.choices(self._midnights, cum_weights=self._cumulative_weights)
            moment = self.moment_of_day(rng, midnight)
            if self._start <= moment < self._end:
                return moment

    def moment_of_day(self, rng: Random, unix_micros: int) -> int:
        """Draw a moment of the day that ``unix_micros`` lies in, in Unix microseconds."""
        [hour] = rng.choices(range(24), cum_weights=_HOUR_CUMULATIVE_WEIGHTS)
        midnight = unix_micros - unix_micros % DAY_MICROS
        return midnight + hour * HOUR_MICROS + rng.randrange(HOUR_MICROS)
