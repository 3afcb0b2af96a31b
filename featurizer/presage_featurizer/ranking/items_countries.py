"""Counts of items by country, summed over the last 7 days; in memory, only what is not 0."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.bucket_countries import COUNTRY_TYPES, CountryCounts
from presage_featurizer.ranking.items_windows import HourCounts

__all__ = ["COUNTRY_WINDOW_DAYS", "MAX_COUNTRIES", "Counted", "CountryWindow"]

COUNTRY_WINDOW_DAYS = 7
"""The days that counts by country are summed over: those of the popular items."""

MAX_COUNTRIES = 64
"""Countries that have counts at once.

A country gets a place with the first closed bucket that has an event of it; where there are more of them than free places, those
with more events in that bucket first, then in the order of their names. It loses the place when it has no event in 7 days. Events
of countries without a place count for the item alone. All of this depends on closed buckets only, so every server has the same.
"""

_DAY_HOURS = 24
_KINDS = len(COUNTRY_TYPES)
_NOTHING = HourCounts(np.zeros(0, np.int64), np.zeros(0, np.int32))

Counted = tuple[int, str, HourCounts]
"""An hour, a country, and its counts in that hour."""


class CountryWindow:
    """Sums by country, row and type, and the hours that the window will drop.

    ``HourCounts`` have keys of row * COUNTRY_TYPES + place of the type here. They never change, so copies share them.
    """

    def __init__(self) -> None:
        self.sums: dict[str, HourCounts] = {}
        """By country, for those that have a place."""
        self._hours: dict[int, dict[str, HourCounts]] = {}
        self._newest_hour = -1

    def copy(self) -> CountryWindow:
        """Return a window that changes independently."""
        other = CountryWindow()
        other.sums = dict(self.sums)
        other._hours = {hour: dict(countries) for hour, countries in self._hours.items()}
        other._newest_hour = self._newest_hour
        return other

    def begin(self, hour: int, parts: Iterable[Mapping[str, CountryCounts]]) -> None:
        """Move to the hour of a bucket, and give places to countries that have none.

        Args:
            hour: Since 1970; none earlier than those before.
            parts: What all parts of the bucket have of countries; ``add`` follows.
        """
        if hour != self._newest_hour:
            self._move(hour)
        events: Counter[str] = Counter()
        for countries in parts:
            events.update({country: int(part.counts.sum()) for country, part in countries.items()})
        new = sorted((-count, country) for country, count in events.items() if country not in self.sums)
        for _, country in new[: MAX_COUNTRIES - len(self.sums)]:
            self.sums[country] = _NOTHING

    def add(self, country: str, rows: NDArray[np.int64], counts: NDArray[np.uint32]) -> None:
        """Add a country's counts in a bucket of the hour that was begun; nothing if it has no place.

        Args:
            country: The country.
            rows: Each once.
            counts: Shape (rows, COUNTRY_TYPES).
        """
        sums = self.sums.get(country)
        if sums is None:
            return
        found, kinds = np.nonzero(counts)
        keys = rows[found] * _KINDS + kinds
        order = np.argsort(keys)
        part = HourCounts(keys[order], counts[found, kinds][order].astype(np.int32))
        self.sums[country] = _sum(sums, part)
        hour = self._hours.setdefault(self._newest_hour, {})
        hour[country] = _sum(hour.get(country, _NOTHING), part)

    def hours(self) -> Iterator[Counted]:
        """Return what each hour has of each country, in order."""
        for hour, countries in sorted(self._hours.items()):
            for country, counts in sorted(countries.items()):
                yield hour, country, counts

    def restore(self, counted: Iterable[Counted], newest_hour: int) -> None:
        """Take over what ``hours`` returned, whole or in pieces, as of an hour."""
        pieces: dict[tuple[int, str], list[HourCounts]] = {}
        for hour, country, counts in counted:
            pieces.setdefault((hour, country), []).append(counts)
        of_countries: dict[str, list[HourCounts]] = {}
        for (hour, country), parts in pieces.items():
            whole = self._hours.setdefault(hour, {})[country] = HourCounts.of(parts)
            of_countries.setdefault(country, []).append(whole)
        self.sums = {country: HourCounts.of(parts) for country, parts in of_countries.items()}
        self._newest_hour = newest_hour

    def contents(self) -> Iterator[bytes]:
        """Return everything that the window holds, as bytes that are equal if it is."""
        for country, sums in sorted(self.sums.items()):
            yield f"{country} {len(sums.keys)}".encode() + sums.keys.tobytes() + sums.amounts.tobytes()
        for hour, country, counts in self.hours():
            yield f"{hour} {country} {len(counts.keys)}".encode() + counts.keys.tobytes() + counts.amounts.tobytes()

    def _move(self, hour: int) -> None:
        """Drop the hours that left the window, and the countries that have no other."""
        self._newest_hour = hour
        first = hour - COUNTRY_WINDOW_DAYS * _DAY_HOURS
        dropped: dict[str, list[HourCounts]] = {}
        for expired in [known for known in self._hours if known < first]:
            for country, counts in self._hours.pop(expired).items():
                dropped.setdefault(country, []).append(counts)
        for country, parts in dropped.items():
            left = _difference(self.sums[country], HourCounts.of(parts))
            if len(left.keys):
                self.sums[country] = left
            else:
                del self.sums[country]


def _sum(sums: HourCounts, part: HourCounts) -> HourCounts:
    """Add a small part: sorting all of the sums again would take longer."""
    places = np.searchsorted(sums.keys, part.keys)
    known = np.zeros(len(places), bool)
    inside = places < len(sums.keys)
    known[inside] = sums.keys[places[inside]] == part.keys[inside]
    amounts = sums.amounts.copy()
    amounts[places[known]] += part.amounts[known]
    if known.all():
        return HourCounts(sums.keys, amounts)
    new = ~known
    return HourCounts(
        np.insert(sums.keys, places[new], part.keys[new]), np.insert(amounts, places[new], part.amounts[new])
    )


def _difference(sums: HourCounts, part: HourCounts) -> HourCounts:
    amounts = sums.amounts.copy()
    amounts[np.searchsorted(sums.keys, part.keys)] -= part.amounts
    left = amounts > 0
    return HourCounts(sums.keys[left], amounts[left])
