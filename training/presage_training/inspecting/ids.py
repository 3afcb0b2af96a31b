"""Finds a column that holds two ids: the visitor's and the session's."""

from __future__ import annotations

from presage_training.inspecting.columns import is_nameless, name_score
from presage_training.inspecting.sample import Sample
from presage_training.readers.files.numbers import NotANumberError, read_number
from presage_training.readers.formats.derived import Split

__all__ = ["find_split"]

_SEPARATORS = ("::", "/", "|", ":", "#", "~", ";", ",", "@", " ", ".", "_", "-")
_MAX_LEFT_SHARE = 0.9
USER_PART, SESSION_PART = "visitor part", "session part"


def find_split(sample: Sample, found: dict[str, str]) -> Split | None:
    """Find a column whose cells are a visitor and a session, where one of the two has no column of its own.

    The parts before the separator have to repeat with different parts after it.

    Args:
        sample: The log.
        found: The columns of fields that are known.
    """
    if "user_id" in found and "session_id" in found:
        return None
    others = {column for field, column in found.items() if field not in {"user_id", "session_id"}}
    candidates = [column for column in sample.columns if column not in others]
    # A column that is called a user or a session is looked at first.
    candidates.sort(key=lambda column: -max(name_score(column, "user_id"), name_score(column, "session_id")))
    for column in candidates:
        is_named = bool(name_score(column, "user_id") or name_score(column, "session_id"))
        is_named |= is_nameless(column) and column == found.get("user_id")
        if not is_named and "user_id" in found:
            continue
        separator = "" if _holds_numbers(sample, column) else _separator(sample.texts(column))
        if separator:
            return Split(column=column, into=(USER_PART, SESSION_PART), separator=separator)
    return None


def _holds_numbers(sample: Sample, column: str) -> bool:
    """Return whether a column holds numbers with a decimal point, such as amounts."""
    try:
        return any(read_number(cell, decimal=sample.layout.decimal) % 1 for cell in sample.texts(column))
    except NotANumberError:
        return False


def _separator(texts: list[str]) -> str:
    distinct = set(texts)
    if len(distinct) < 2:
        return ""
    for separator in _SEPARATORS:
        if not all(text.count(separator) == 1 for text in distinct):
            continue
        halves = [text.split(separator) for text in distinct]
        if any(not left.strip() or not right.strip() for left, right in halves):
            continue
        lefts = {left for left, _ in halves}
        if 1 < len(lefts) <= _MAX_LEFT_SHARE * len(distinct):
            return separator
    return ""
