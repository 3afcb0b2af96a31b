"""What one closed bucket of time has of one country: how often visitors there viewed, carted and bought each item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.events import EventType

__all__ = [
    "COUNTRY_TYPES",
    "CountryCounts",
    "EncodedCountry",
    "countries_of_piece",
    "decode_countries",
    "encode_countries",
    "gather_countries",
    "join_countries",
]

COUNTRY_TYPES = (EventType.VIEW_ITEM, EventType.ADD_TO_CART, EventType.PURCHASE)
"""The event types that are counted of each item and country, in the order of the columns: those that make items popular."""

EncodedCountry = tuple[str, bytes, bytes]


@dataclass(frozen=True, slots=True, eq=False)
class CountryCounts:
    """The items of a bucket that have events of one country."""

    places: NDArray[np.uint32]
    """Their places among the bucket's items, ascending."""
    counts: NDArray[np.uint32]
    """Shape (places, COUNTRY_TYPES): their events; each has one at least."""


def gather_countries(of_items: Iterable[Mapping[str, list[int]] | None]) -> dict[str, CountryCounts]:
    """Turn the counts of each item by country, in the bucket's order, into those of each country, by name."""
    places: dict[str, list[int]] = {}
    counts: dict[str, list[list[int]]] = {}
    for place, of_item in enumerate(of_items):
        for country, amounts in (of_item or {}).items():
            places.setdefault(country, []).append(place)
            counts.setdefault(country, []).append(amounts)
    return {
        country: CountryCounts(np.array(found, np.uint32), np.array(counts[country], np.uint32))
        for country, found in sorted(places.items())
    }


def countries_of_piece(countries: Mapping[str, CountryCounts], start: int, stop: int) -> dict[str, CountryCounts]:
    """Return what countries have of the items from one place to before another; those without any of them are left out."""
    found = {}
    for country, part in countries.items():
        first, end = np.searchsorted(part.places, (start, stop)).tolist()
        if first < end:
            found[country] = CountryCounts(part.places[first:end] - np.uint32(start), part.counts[first:end])
    return found


def join_countries(parts: Iterable[tuple[int, Mapping[str, CountryCounts]]]) -> dict[str, CountryCounts]:
    """Undo ``countries_of_piece``, by the number of items of each piece."""
    gathered: dict[str, list[CountryCounts]] = {}
    start = 0
    for size, countries in parts:
        for country, part in countries.items():
            moved = CountryCounts(part.places + np.uint32(start), part.counts)
            gathered.setdefault(country, []).append(moved)
        start += size
    return {
        country: CountryCounts(
            np.concatenate([part.places for part in found]), np.concatenate([part.counts for part in found])
        )
        for country, found in sorted(gathered.items())
    }


def encode_countries(countries: Mapping[str, CountryCounts]) -> list[EncodedCountry]:
    """Write countries in their order."""
    return [
        (country, part.places.astype("<u4").tobytes(), part.counts.astype("<u4").tobytes())
        for country, part in countries.items()
    ]


def decode_countries(encoded: Iterable[EncodedCountry], items: int) -> dict[str, CountryCounts]:
    """Read what ``encode_countries`` wrote of a bucket of this number of items; raises ValueError if it does not fit."""
    found = {}
    for country, places, counts in encoded:
        part = CountryCounts(np.frombuffer(places, "<u4"), np.frombuffer(counts, "<u4").reshape(-1, len(COUNTRY_TYPES)))
        if len(part.places) != len(part.counts) or int(part.places.max(initial=0)) >= items:
            raise ValueError(f"expected counts of {country!r} for some of {items} items")
        found[country] = part
    return found
