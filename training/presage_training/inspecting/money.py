"""Finds out what the amounts of a log are: prices, values of orders, and their currency."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from presage_featurizer.events import EventType
from presage_training.inspecting.sample import Sample
from presage_training.inspecting.vocabulary import plain_words

__all__ = ["MoneyGuess", "guess_money"]

_MIN_PRICED = 0.2
_ORDERS = {EventType.PURCHASE, EventType.REFUND, EventType.BEGIN_CHECKOUT}
_MIN_REPEATED = 0.95
_MIN_ORDERS = 3
_CURRENCY_ROWS = 1_000
_REPEATED = "repeated on each of its lines"
_SIGNS = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₹": "INR", "zł": "PLN"}


@dataclass(frozen=True, slots=True)
class MoneyGuess:
    """The columns of prices and values."""

    columns: Mapping[str, str]
    """The columns of ``price`` and ``value``, as far as there are any."""
    currency: str = ""
    """The currency of all rows, if names or cells say it."""
    remarks: tuple[str, ...] = ()


def guess_money(sample: Sample, found: Mapping[str, str], types: Mapping[str, EventType | None]) -> MoneyGuess:
    """Check the columns of prices and values that names suggest, against the rows.

    An amount on most rows is a price, not the value of an order. A value that is the same on all lines of an order, or is on one of
    them, is the order's total: as the value of lines it would count beside theirs, so the lines' prices are taken, or none.

    Args:
        sample: The log.
        found: The columns of fields by their names.
        types: The event type of each word in the column of event types.
    """
    columns = {name: found[name] for name in ("price", "value") if name in found}
    remarks: tuple[str, ...] = ()
    if columns.keys() == {"value"} and {"item_id", "event_type"} <= found.keys():
        amounts = sample.columns[columns["value"]]
        words = ["" if cell is None else str(cell) for cell in sample.columns[found["event_type"]]]
        others = [amount for amount, word in zip(amounts, words, strict=True) if types.get(word) not in _ORDERS]
        if sum(amount is not None for amount in others) > _MIN_PRICED * len(others):
            columns = {"price": columns["value"]}
    if "value" in columns and "item_id" in found:
        column = columns["value"]
        how = _orders_total(sample, found, types)
        if how and (how == _REPEATED or "price" in columns):
            columns.pop("value")
            instead = f"the price in {columns['price']!r} is read" if columns else "no column has the price of a line"
            remarks = (f"{column!r} is the total of an order, {how}, and is not read as the value: {instead}",)
    column = next(iter(columns.values()), "")
    currency = _currency(sample, column) if column in sample.columns and "currency" not in found else ""
    return MoneyGuess(columns, currency, remarks)


def _orders_total(sample: Sample, found: Mapping[str, str], types: Mapping[str, EventType | None]) -> str:
    """Return on which lines of an order its total is, if the lines have no values of their own; empty otherwise."""
    order, value, event = found.get("order_id", ""), found["value"], found.get("event_type", "")
    if not {order, value, found["item_id"]} <= sample.columns.keys():
        return ""
    words = sample.columns.get(event) or [None] * sample.rows
    values, items = defaultdict(list), defaultdict(set)
    rows = (sample.columns[column] for column in (order, value, found["item_id"]))
    for order_id, amount, item, word in zip(*rows, words, strict=True):
        if order_id is not None and (word is None or types.get(str(word)) is EventType.PURCHASE):
            values[order_id].append(amount)
            items[order_id].add(item)
    # Rows with one item only may be the same order, sent twice.
    several = [amounts for order_id, amounts in values.items() if len(items[order_id]) > 1]
    if len(several) < _MIN_ORDERS:
        return ""
    single = [amounts for amounts in several if sum(amount is not None for amount in amounts) == 1]
    if len(single) >= _MIN_REPEATED * len(several):
        return "on one of its lines"
    same = [amounts for amounts in several if len(set(amounts)) == 1]
    differ = len({amounts[0] for amounts in same}) > 1
    return _REPEATED if differ and len(same) >= _MIN_REPEATED * len(several) else ""


def _currency(sample: Sample, column: str) -> str:
    texts = sample.texts(column)[:_CURRENCY_ROWS]
    named = {code for code in _SIGNS.values() if code.lower() in plain_words(column).split()}
    signs = {code for sign, code in _SIGNS.items() if any(sign in text for text in texts)}
    codes = {code for code in _SIGNS.values() if any(code in text for text in texts)}
    currencies = named | signs | codes
    return currencies.pop() if len(currencies) == 1 else ""
