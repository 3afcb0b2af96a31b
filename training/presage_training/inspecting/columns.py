"""Guesses which column is which field of an event, from names and contents."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

from presage_training.inspecting.column_names import COLUMN_NAMES
from presage_training.inspecting.sample import Sample
from presage_training.inspecting.vocabulary import plain_words
from presage_training.inspecting.words import countries_of, devices_of, event_types_of
from presage_training.readers.files.numbers import readable_numbers
from presage_training.readers.formats.mapping import CURRENCY

__all__ = ["MAX_ROWS_PER_VISITOR", "assign_columns", "is_nameless", "name_score"]

MAX_ROWS_PER_VISITOR = 1_000
"""A column with fewer values holds a trait of visitors rather than the visitors."""

_CHECKED = 2_000
_NAMELESS = re.compile(r"(?:_?c|col|column|f|field|v|var|x|unnamed)[ _:-]*\d+", re.IGNORECASE)
_TYPE_KEY = re.compile(r"(?<=.)\.\$\w+$")  # "price.$numberDecimal", as MongoDB exports
_ORDER_NUMBER = re.compile(r"#[A-Z-]*\d+")
_MIN_NUMBERS = 0.8
_MIN_WORDS = 0.5
_MAX_EVENT_WORDS = 60
_MAX_DEVICE_WORDS = 40
_MAX_COUNTRIES = 300
_EXACT, _LAST_KEY, _AT_THE_END, _AT_THE_START, _INSIDE = 3.0, 2.5, 2.0, 1.2, 0.8
_BY_CONTENT = 1.5


def assign_columns(sample: Sample, fields: Sequence[str], taken: Sequence[str] = ()) -> dict[str, str]:
    """Return the most likely column of each field that has one; no column is two fields.

    Args:
        sample: The log.
        fields: The fields to find.
        taken: Columns that are known to be something else.
    """
    scores = []
    for rank, field in enumerate(fields):
        for place, column in enumerate(sample.columns):
            if column in taken:
                continue
            score = name_score(column, field)
            content = _CONTENTS.get(field)
            if content is not None and (score or field == "event_type"):
                score = _with_content(score, content(sample, column))
            if score > 0 and any(cell is not None for cell in sample.columns[column]):
                scores.append((-score, rank, place, field, column))
    found: dict[str, str] = {}
    for *_, field, column in sorted(scores):
        if field not in found and column not in found.values():
            found[field] = column
    if "order_id" in fields and "order_id" not in found:
        # Some shops call the number of an order its name.
        others = [column for column in sample.columns if column not in {*taken, *found.values()}]
        numbers = [column for column in others if _are_order_numbers(sample.texts(column)[:_CHECKED])]
        if numbers:
            found["order_id"] = numbers[0]
    return found


def _are_order_numbers(texts: Sequence[str]) -> bool:
    return len(set(texts)) > 1 and all(_ORDER_NUMBER.fullmatch(text) for text in texts)


def is_nameless(column: str) -> bool:
    """Return whether the name of a column says nothing, as ``column_3``."""
    return _NAMELESS.fullmatch(column) is not None


@cache
def name_score(column: str, field: str) -> float:
    """Return how well the name of a column fits a field, from 0; nested keys count by their last part first."""
    column = _TYPE_KEY.sub("", column)
    words = plain_words(column)
    last = plain_words(column.rpartition(".")[2])
    best = 0.0
    for place, name in enumerate(COLUMN_NAMES[field]):
        earlier = 0.4 * (1 - place / len(COLUMN_NAMES[field]))
        if words == name:
            best = max(best, _EXACT + earlier)
        elif last == name:
            best = max(best, _LAST_KEY + earlier)
        elif words.endswith(" " + name):
            best = max(best, _AT_THE_END + earlier + 0.1 * name.count(" "))
        elif words.startswith(name + " "):
            best = max(best, _AT_THE_START + earlier + 0.1 * name.count(" "))
        elif f" {name} " in f" {words} ":
            best = max(best, _INSIDE + earlier)
    return best


def _with_content(score: float, content: float) -> float:
    """Combine the scores of name and content: what the cells cannot be, the column is not."""
    if content <= 0:
        return 0.0
    return score + content if score else (_BY_CONTENT if content >= 0.75 else 0.0)


def _number_share(sample: Sample, column: str) -> float:
    texts = [cell for cell in sample.columns[column] if cell is not None][:_CHECKED]
    share = len(readable_numbers(texts, decimal=sample.layout.decimal)) / len(texts) if texts else 0.0
    return share if share >= _MIN_NUMBERS else 0.0


def _event_word_share(sample: Sample, column: str) -> float:
    texts = sample.texts(column)
    words = set(texts)
    if not words or len(words) > _MAX_EVENT_WORDS:
        return 0.0
    known = {word for word, event_type in event_types_of(words).items() if event_type}
    share = sum(text in known for text in texts) / sample.rows
    if name_score(column, "event_type"):
        return max(share, 0.1)  # it may have words of its own
    # Other columns may not look like one by chance.
    if len(known) < 2 or "status" in plain_words(column):
        return 0.0
    return max(share, len(known) / len(words)) if is_nameless(column) else share


def _device_share(sample: Sample, column: str) -> float:
    return _known_share(sample, column, devices_of, _MAX_DEVICE_WORDS)


def _country_share(sample: Sample, column: str) -> float:
    return _known_share(sample, column, countries_of, _MAX_COUNTRIES)


def _known_share(
    sample: Sample, column: str, meanings_of: Callable[[Iterable[str]], Mapping[str, object]], most: int
) -> float:
    """Return the share of a column's words that have a meaning; 0 if there are too many words, or too few known ones."""
    words = set(sample.texts(column))
    if not words or len(words) > most:
        return 0.0
    share = sum(meaning is not None for meaning in meanings_of(words).values()) / len(words)
    return share if share >= _MIN_WORDS else 0.0


def _currency_share(sample: Sample, column: str) -> float:
    words = set(sample.texts(column))
    return float(
        bool(words) and sum(bool(CURRENCY.fullmatch(word.upper())) for word in words) > _MIN_WORDS * len(words)
    )


def _visitor_share(sample: Sample, column: str) -> float:
    """Traits of visitors have few values; so few visitors are believed only of a column that is called so."""
    distinct = len(set(sample.texts(column)))
    if distinct > 1 and distinct * MAX_ROWS_PER_VISITOR >= sample.rows:
        return 0.5
    return 0.1 if distinct and name_score(column, "user_id") >= _EXACT else 0.0


def _unique_share(sample: Sample, column: str) -> float:
    texts = sample.texts(column)
    return float(bool(texts) and len(set(texts)) == len(texts) == sample.rows)


def _text_share(sample: Sample, column: str) -> float:
    texts = sample.texts(column)[:_CHECKED]
    return 0.5 if texts else 0.0


_CONTENTS: Mapping[str, Callable[[Sample, str], float]] = {
    "event_type": _event_word_share,
    "user_id": _visitor_share,
    "price": _number_share,
    "quantity": _number_share,
    "value": _number_share,
    "currency": _currency_share,
    "country": _country_share,
    "device": _device_share,
    "event_id": _unique_share,
    "category": _text_share,
    "brand": _text_share,
}
