"""UCI's "Online Retail": one row for each line of an invoice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from presage_featurizer.events import Event, EventType, Item
from presage_training.readers.files.cells import id_text, price_micros, quantity, required_id, text
from presage_training.readers.files.columns import CellReasons, convert
from presage_training.readers.files.tables import read_batches
from presage_training.readers.files.times import TimeColumn
from presage_training.readers.formats.countries import COUNTRY_CODES
from presage_training.readers.progress import ReadProgress
from presage_training.readers.skipped_rows import SkippedRows

__all__ = ["read_online_retail"]

_TIME_ZONE = ZoneInfo("Europe/London")
_TIME_FORMATS = ("%m/%d/%Y %H:%M",)  # of the CSV versions: 12/1/2010 8:26
_CANCELLATION = "C"
_ADJUSTMENT = "A"
_OPEN_INVOICES = 64  # lines of a few concurrent invoices are interleaved


class _Line(NamedTuple):
    row_number: int
    sign: int
    """1 for sold goods, -1 for returned goods."""
    item: Item


@dataclass(frozen=True, kw_only=True, slots=True)
class _Invoice:
    """An invoice that may still get lines."""

    number: str
    event_time_unix_micros: int
    user_id: str
    country: str
    lines: list[_Line] = field(default_factory=list)


def read_online_retail(path: Path, *, skipped: SkippedRows, progress: ReadProgress | None = None) -> Iterator[Event]:
    """Read invoices; see ``read_events``.

    An invoice is one PURCHASE, or one REFUND if its number begins with ``C``, at the time of its first line. Invoices come
    in the order of their first lines. Those without a customer belong to one anonymous visitor each.
    """
    functions: dict[str, Callable[[Any], Any]] = {
        "InvoiceNo": partial(required_id, name="an InvoiceNo"),
        "InvoiceDate": TimeColumn(path, "InvoiceDate", time_zone=_TIME_ZONE, text_formats=_TIME_FORMATS),
        "Quantity": quantity,
        "StockCode": partial(required_id, name="a StockCode"),
        "UnitPrice": price_micros,
        "CustomerID": id_text,
        "Country": _country_code,
    }
    reasons = CellReasons(list(functions))
    open_invoices: dict[str, _Invoice] = {}
    for numbers, columns, _ in convert(
        read_batches(path, list(functions), skipped=skipped, progress=progress), functions
    ):
        for row in zip(numbers, *columns, strict=True):
            try:
                _add_line(open_invoices, row)
            except ValueError as error:
                place = next(place for place, value in enumerate(row[1:]) if value is error)
                skipped.add(reasons.of(place, error), where=f"row {row[0]}", what=str(error))
            if len(open_invoices) > _OPEN_INVOICES:
                oldest = open_invoices.pop(next(iter(open_invoices)))
                if event := _event(oldest, skipped):
                    yield event
    for invoice in open_invoices.values():
        if event := _event(invoice, skipped):
            yield event


def _add_line(open_invoices: dict[str, _Invoice], row: tuple[Any, ...]) -> None:
    """Add a line to its invoice; raises the first relevant value that is an error."""
    row_number, number, time, units, stock_code, price, customer_id, country = row
    if isinstance(number, ValueError):
        raise number
    invoice = open_invoices.get(number)
    if invoice is None:
        if isinstance(time, ValueError):
            raise time
        invoice = _Invoice(
            number=number,
            event_time_unix_micros=time,
            user_id=customer_id or f"anonymous:{number}",
            country=country,
        )
        open_invoices[number] = invoice
    if number.startswith(_ADJUSTMENT):
        return  # no goods, and a price below 0
    if isinstance(units, ValueError):
        raise units
    if isinstance(stock_code, ValueError):
        raise stock_code
    if isinstance(price, ValueError):
        raise price
    item = Item(stock_code, price_micros=price, quantity=abs(units))
    invoice.lines.append(_Line(row_number, 1 if units > 0 else -1, item))


def _country_code(cell: Any) -> str:
    return COUNTRY_CODES.get(text(cell), "")


def _event(invoice: _Invoice, skipped: SkippedRows) -> Event | None:
    """Turn an invoice without further lines into an event; None if it is neither a sale nor a cancellation."""
    where = f"invoice {invoice.number}"
    if invoice.number.startswith(_ADJUSTMENT):
        skipped.add("bad-debt adjustment", where=where, what=f"a number that begins with {_ADJUSTMENT}")
        return None
    cancelled = invoice.number.startswith(_CANCELLATION)
    sign = -1 if cancelled else 1
    items = tuple(line.item for line in invoice.lines if line.sign == sign)
    others = [line for line in invoice.lines if line.sign != sign]
    if not items:
        if others:
            reason = "cancellation without returned goods" if cancelled else "stock adjustment"
            skipped.add(reason, where=where, what=f"all of its quantities are {'above' if cancelled else 'below'} 0")
        return None
    for line in others:
        what = f"quantity {line.sign * line.item.quantity} on {where}"
        skipped.add("line with the opposite sign of its invoice", where=f"row {line.row_number}", what=what)
    return Event(
        event_id=f"invoice:{invoice.number}",
        type=EventType.REFUND if cancelled else EventType.PURCHASE,
        user_id=invoice.user_id,
        event_time_unix_micros=invoice.event_time_unix_micros,
        items=items,
        country=invoice.country,
        order_id=invoice.number,
        currency="GBP",
    )
