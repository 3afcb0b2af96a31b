"""Finds further columns of a field, for rows whose first one is empty."""

from __future__ import annotations

from collections.abc import Mapping

from presage_training.inspecting.columns import name_score
from presage_training.inspecting.sample import Sample
from presage_training.inspecting.words import event_types_of

__all__ = ["find_fallbacks", "fuller_visitor"]

_MIN_MISSING = 0.01
_MIN_FULL = 0.99
_MOST_WORDS = 60
_ITEM_FIELDS = ("item_id", "category", "brand", "price", "quantity")


def fuller_visitor(sample: Sample, found: Mapping[str, str]) -> str | None:
    """Return another column of visitors that nearly all rows have, where many have none in the one that was found.

    The id of a browser is there before a visitor logs in, and after it: one visitor is one history.
    """
    column = found.get("user_id", "")
    if column not in sample.columns or _fill(sample, column) >= _MIN_FULL:
        return None
    others = [
        other
        for other in sample.columns
        if other not in found.values()
        and name_score(other, "user_id")
        and _fill(sample, other) >= _MIN_FULL
        and 1 < len(set(sample.texts(other))) < sample.rows
    ]
    return max(others, key=lambda other: name_score(other, "user_id"), default=None)


def find_fallbacks(sample: Sample, found: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return, for fields with several columns, all of them: the first that is not empty counts.

    A second column of events, as ``type`` beside ``event``, and item fields of a nested object beside those of an array.
    """
    fallbacks: dict[str, tuple[str, ...]] = {}
    column = found.get("event_type", "")
    if column in sample.columns and _fill(sample, column) < 1 - _MIN_MISSING:
        second = next((other for other in sample.columns if _is_event_too(sample, column, other, found)), None)
        if second:
            fallbacks["event_type"] = (column, second)
    for name in _ITEM_FIELDS:
        column = found.get(name, "")
        if "." not in column or column not in sample.columns:
            continue
        last = column.rpartition(".")[2]
        others = [
            other
            for other in sample.columns
            if other != column and other.endswith(f".{last}") and (".0." in other) != (".0." in column)
        ]
        if others := [
            other for other in others if _fills(sample, column, other) and not _overlap(sample, column, other)
        ]:
            fallbacks[name] = (column, *others)
    return fallbacks


def _is_event_too(sample: Sample, column: str, other: str, found: Mapping[str, str]) -> bool:
    if other in found.values() or not name_score(other, "event_type") or not _fills(sample, column, other):
        return False
    rows = zip(sample.columns[column], sample.columns[other], strict=True)
    words = {str(second) for first, second in rows if first is None and second is not None}
    return len(words) <= _MOST_WORDS and any(event_types_of(words).values())


def _fills(sample: Sample, column: str, other: str) -> bool:
    """Return whether another column has cells where a column has none, on enough rows."""
    rows = zip(sample.columns[column], sample.columns[other], strict=True)
    filled = sum(first is None and second is not None for first, second in rows)
    return filled > 0 and filled >= _MIN_MISSING * sum(cell is None for cell in sample.columns[column])


def _overlap(sample: Sample, column: str, other: str) -> bool:
    rows = zip(sample.columns[column], sample.columns[other], strict=True)
    return any(first is not None and second is not None and first != second for first, second in rows)


def _fill(sample: Sample, column: str) -> float:
    return sum(cell is not None for cell in sample.columns[column]) / max(sample.rows, 1)
