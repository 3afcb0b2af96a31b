"""Guesses which column is which field from the cells alone, where columns have no names."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from presage_featurizer.events import EventType
from presage_training.inspecting.columns import MAX_ROWS_PER_VISITOR, is_nameless
from presage_training.inspecting.sample import Sample
from presage_training.inspecting.times import guess_time
from presage_training.inspecting.words import countries_of, devices_of, event_types_of
from presage_training.readers.files.numbers import readable_numbers
from presage_training.readers.formats.mapping import CURRENCY

__all__ = ["assign_by_contents"]

_MOST_ROWS = 20_000
_CURRENCIES = frozenset(
    ("AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HUF", "INR", "JPY", "KRW", "MXN", "NOK", "NZD", "PLN",
     "RUB", "SEK", "TRY", "USD", "ZAR")
)  # fmt: skip
_MOST_DEVICES, _MOST_COUNTRIES, _MOST_UNITS = 12, 250, 100
_MIN_SHARE, _MIN_COUNTRIES = 0.9, 0.6
_MIN_REPEATS = 20
_MAX_GAP = 0.2
_ORDERS = {EventType.PURCHASE, EventType.REFUND}


def assign_by_contents(sample: Sample, found: dict[str, str], taken: Iterable[str]) -> dict[str, str]:
    """Return a likely column for fields that have none; only columns whose names say nothing are guessed.

    Visitors and sessions come in bursts: their rows are near one another. Of two such columns the one whose values each belong to
    one value of the other is the session. Items do not come in bursts, and have the most values.

    Args:
        sample: The log.
        found: The columns of fields that are known.
        taken: Columns that are known to be something else.
    """
    used = {*found.values(), *taken}
    decimal = sample.layout.decimal
    table = {
        column: _texts(cells)
        for column, cells in sample.columns.items()
        if column not in used and is_nameless(column) and any(cell is not None for cell in cells)
    }
    for column in [column for column, cells in table.items() if _is_nothing(cells, decimal)]:
        table.pop(column)
    guessed: dict[str, str] = {}

    def take(field: str, column: str | None) -> None:
        if column is not None:
            table.pop(column)
            if field not in found and field not in guessed:
                guessed[field] = column

    take("device", _first(table, _are_devices))
    take("currency", _first(table, _are_currencies))
    take("country", _first(table, _are_countries))
    orders = _order_rows(sample, found.get("event_type"))
    for column in [column for column in table if _has_fractions(table[column], decimal)]:
        take("value" if _only_in(table[column], orders) else "price", column)
    take("quantity", _first(table, lambda cells: _are_units(cells, decimal)))
    for column in [column for column, cells in table.items() if len(set(cells) - {None}) < 2]:
        table.pop(column)
    take("event_id", _first(table, lambda cells: None not in cells and len(set(cells)) == len(cells) > 1))
    take("order_id", _first(table, lambda cells: _only_in(cells, orders)))
    _take_visitors(table, take, has_events="event_type" in found)
    item = max(table, key=lambda column: len(set(table[column])), default=None)
    if item is not None and len(set(table[item]) - {None}) > 1:
        cells = table[item]
        take("item_id", item)
        traits = [column for column in table if _determines(cells, table[column])]
        beside = _neighbors(list(sample.columns), guessed.get("quantity", ""))
        price = next((column for column in traits if column in beside and _are_numbers(table[column], decimal)), None)
        if price is not None and "price" not in {*found, *guessed}:
            traits.remove(price)
            take("price", price)
        # Categories have separators in them, or come before brands.
        traits.sort(key=lambda column: not any(cell and re.search(r"[.>/|]", cell) for cell in set(table[column])))
        for field, column in zip(("category", "brand"), traits, strict=False):
            take(field, column)
    return guessed


def _take_visitors(table: dict[str, list[str | None]], take: Any, *, has_events: bool) -> None:
    counts = {column: len(set(cells) - {None}) for column, cells in table.items()}
    gaps = {
        column: _gap(cells) for column, cells in table.items() if counts[column] * MAX_ROWS_PER_VISITOR >= len(cells)
    }
    # Of visitors who have an id for some rows only, there is a better one.
    most = max((_fill(table[column]) for column in gaps), default=0.0)
    bursts = [column for column, gap in gaps.items() if gap < _MAX_GAP and _fill(table[column]) == most]
    if not bursts:
        return
    nearest = min(bursts, key=gaps.__getitem__)
    wholes = [
        column for column in bursts if counts[column] < counts[nearest] and _determines(table[nearest], table[column])
    ]
    user = max(wholes, key=counts.__getitem__) if wholes else nearest
    # What says the same in other words, such as the second half of an id, is no item.
    same = [column for column in bursts if column != nearest and _determines(table[column], table[user])]
    take("user_id", user)
    if user != nearest:
        take("session_id" if has_events else "order_id", nearest)
    for column in same:
        table.pop(column, None)


def _texts(cells: Sequence[Any]) -> list[str | None]:
    return [None if cell is None else str(cell).strip() for cell in cells[:_MOST_ROWS]]


def _is_nothing(cells: Sequence[str | None], decimal: str) -> bool:
    """Return whether a column is none of the fields that are guessed: addresses of pages, and further times."""
    present = [cell for cell in cells if cell is not None]
    if all(cell.startswith(("http://", "https://", "/")) for cell in present):
        return True
    time = guess_time(present, decimal=decimal)
    return time is not None and (not time.unit or all(earlier <= later for earlier, later in pairwise(present)))


def _first(table: dict[str, list[str | None]], is_right: Any) -> str | None:
    return next((column for column, cells in table.items() if is_right(cells)), None)


def _fill(cells: Sequence[str | None]) -> float:
    return round(sum(cell is not None for cell in cells) / len(cells), 1)


def _are_devices(cells: Sequence[str | None]) -> bool:
    words = set(cells) - {None}
    return len(words) <= _MOST_DEVICES and all(_known_words(devices_of(words)))  # type: ignore[arg-type]


def _are_countries(cells: Sequence[str | None]) -> bool:
    words = set(cells) - {None}
    if len(words) > _MOST_COUNTRIES:
        return False
    known = countries_of(word for word in words if word)
    return sum(bool(known.get(cell or "")) for cell in cells) >= _MIN_COUNTRIES * sum(
        cell is not None for cell in cells
    )


def _are_currencies(cells: Sequence[str | None]) -> bool:
    return all(cell is None or (CURRENCY.fullmatch(cell.upper()) and cell.upper() in _CURRENCIES) for cell in cells)


def _known_words(words: dict[str, Any]) -> Iterable[bool]:
    # Single letters and digits may be anything.
    return (meaning is not None and len(word) > 1 for word, meaning in words.items())


def _has_fractions(cells: Sequence[str | None], decimal: str) -> bool:
    present = [cell for cell in cells if cell is not None]
    numbers = readable_numbers(present, decimal=decimal)
    return len(numbers) >= _MIN_SHARE * len(present) and sum(number % 1 > 0 for number in numbers) > 0.2 * len(numbers)


def _are_units(cells: Sequence[str | None], decimal: str) -> bool:
    present = [cell for cell in cells if cell is not None]
    numbers = readable_numbers(present, decimal=decimal)
    if len(numbers) < len(present) or not all(number.is_integer() and abs(number) <= _MOST_UNITS for number in numbers):
        return False
    return len(set(numbers)) > 1 and numbers.count(1.0) >= 0.5 * len(numbers)


def _are_numbers(cells: Sequence[str | None], decimal: str) -> bool:
    present = [cell for cell in cells if cell is not None]
    return len(readable_numbers(present, decimal=decimal)) == len(present)


def _neighbors(columns: Sequence[str], column: str) -> set[str]:
    """Return the columns before and after a column."""
    return {other for pair in pairwise(columns) if column in pair for other in pair} - {column}


def _order_rows(sample: Sample, column: str | None) -> list[bool]:
    if column is None:
        return []
    cells = _texts(sample.columns[column])
    types = event_types_of({cell for cell in cells if cell})
    return [types.get(cell or "") in _ORDERS for cell in cells]


def _only_in(cells: Sequence[str | None], rows: Sequence[bool]) -> bool:
    """Return whether cells are present in these rows and in hardly any others."""
    if True not in rows or all(rows):
        return False
    present = [row for cell, row in zip(cells, rows, strict=True) if cell is not None]
    return sum(present) >= _MIN_SHARE * max(len(present), 1)


def _gap(cells: Sequence[str | None]) -> float:
    """Return the median distance of two rows of one value, as a share of the distance if they were in no order: about 0.7 then."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, cell in enumerate(cells):
        if cell is not None:
            places[cell].append(place)
    gaps = [(later - earlier) * len(rows) / len(cells) for rows in places.values() for earlier, later in pairwise(rows)]
    return median(gaps) if len(gaps) >= _MIN_REPEATS and len(places) > 1 else 1.0


def _determines(cells: Sequence[str | None], others: Sequence[str | None]) -> bool:
    """Return whether rows with the same cell have the same other cell; cells that do not repeat say nothing."""
    pairs: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for cell, other in zip(cells, others, strict=True):
        if cell is not None and other is not None:
            pairs[cell][other] += 1
    repeated = [counts for counts in pairs.values() if counts.total() > 1]
    return bool(repeated) and (
        sum(counts.most_common(1)[0][1] for counts in repeated) >= 0.98 * sum(counts.total() for counts in repeated)
    )
