"""Numbers and times as pages show them; templates use these as filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

__all__ = ["FILTERS", "MINUS", "NO_VALUE", "ago", "clock", "day", "duration", "moment", "number", "percent"]

NO_VALUE: Final = "\N{EN DASH}"
"""Stands where there is no value."""
MINUS: Final = "\N{MINUS SIGN}"
_NOTHING = 1e-12
"""What is left of sums that add up to 0."""
_SECONDS_OF_A_DAY = 86_400
_UNITS = ((_SECONDS_OF_A_DAY, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def number(value: float | None, digits: int = 3) -> str:
    """Write a number with at least ``digits`` significant digits, and commas between thousands: 12,345 and 0.0123."""
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return NO_VALUE
    if abs(value) < _NOTHING:
        return "0"
    if abs(value) >= 10 ** (digits - 1) or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:,.{digits}g}"


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share from 0 to 1: 12.3 %."""
    return NO_VALUE if share is None or share != share else f"{share * 100:.{digits}f} %"  # noqa: PLR0124 - NaN


def moment(unix_micros: int | None) -> Any:
    """Write a time in UTC: 2026-03-02 14:05:06 UTC."""
    if not unix_micros:
        return NO_VALUE
    return datetime.fromtimestamp(unix_micros // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(unix_micros: int) -> str:
    """Write the time of day, in UTC: 14:05:06."""
    return datetime.fromtimestamp(unix_micros // 1_000_000, UTC).strftime("%H:%M:%S")


def day(unix_days: int) -> str:
    """Write a day, given as a number of days since 1970: 2026-03-02."""
    return datetime.fromtimestamp(unix_days * _SECONDS_OF_A_DAY, UTC).strftime("%Y-%m-%d")


def duration(seconds: float) -> str:
    """Write a length of time in its largest unit: 3 hours."""
    for size, name in _UNITS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "less than a second"


def ago(unix_micros: int | None, now_unix_micros: int) -> str:
    """Write how long ago a time was: 3 hours ago."""
    return f"{duration((now_unix_micros - unix_micros) / 1e6)} ago" if unix_micros else NO_VALUE


FILTERS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {
        "number": number,
        "percent": percent,
        "moment": moment,
        "clock": clock,
        "day": day,
        "duration": duration,
        "ago": ago,
    }
)
"""By the names that templates use."""
