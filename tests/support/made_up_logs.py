"""Logs of one simulated shop, each written as another shop might export it. The same seed gives the same files."""

from __future__ import annotations

import bz2
import csv
import datetime as dt
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from presage_featurizer import MICROS, Event, EventType, Item
from presage_training.simulator import simulate
from support.events import START_UNIX_MICROS

__all__ = ["LOGS", "MadeUpLog", "shop_events"]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_BERLIN = ZoneInfo("Europe/Berlin")
_GERMAN = {
    "PAGE_VIEW": "Seitenaufruf",
    "VIEW_ITEM": "Produktansicht",
    "VIEW_ITEM_LIST": "Kategorieseite",
    "SELECT_ITEM": "item click",
    "SEARCH": "Suche",
    "ADD_TO_CART": "In den Warenkorb",
    "REMOVE_FROM_CART": "Aus Warenkorb entfernt",
    "VIEW_CART": "Warenkorb ansehen",
    "BEGIN_CHECKOUT": "Kasse",
    "ADD_PAYMENT_INFO": "Zahlungsdaten",
    "PURCHASE": "Kauf",
    "REFUND": "Rückgabe",
}
_SEGMENT = {
    "VIEW_ITEM": "Product Viewed",
    "VIEW_ITEM_LIST": "Product List Viewed",
    "SELECT_ITEM": "Product Clicked",
    "SEARCH": "Products Searched",
    "ADD_TO_CART": "Product Added",
    "REMOVE_FROM_CART": "Product Removed",
    "VIEW_CART": "Cart Viewed",
    "BEGIN_CHECKOUT": "Checkout Started",
    "ADD_PAYMENT_INFO": "Payment Info Entered",
    "PURCHASE": "Order Completed",
    "REFUND": "Order Refunded",
}
_SHORT = {"ADD_TO_CART": "atc", "VIEW_ITEM": "pdp", "PURCHASE": "buy", "PAGE_VIEW": "pv", "VIEW_ITEM_LIST": "plp"}


@dataclass(frozen=True, kw_only=True, slots=True)
class MadeUpLog:
    """One shop's export."""

    name: str
    """The name of the file or folder."""
    write: Callable[[Path, Sequence[Event]], int]
    """Writes it, and returns its number of rows."""
    edit: tuple[str, str] | None = None
    """The one line of the proposal that a user has to change, before and after."""
    remark: str = "look at: "
    """Something that is to look at."""


@cache
def shop_events(*, visitors: int = 450, days: int = 21, seed: int = 11) -> list[Event]:
    """Return the log of a simulated shop, without the events that other shops do not have."""
    events = simulate(seed=seed, visitors=visitors, start_unix_micros=START_UNIX_MICROS, days=days)
    return [event for event in events if event.type.name in _GERMAN]


def _moment(event: Event, zone: dt.tzinfo = dt.UTC) -> dt.datetime:
    return (_EPOCH + dt.timedelta(microseconds=event.event_time_unix_micros)).astimezone(zone)


def _parts(events: Sequence[Event], number: int) -> list[Sequence[Event]]:
    size = -(-len(events) // number)
    return [events[start : start + size] for start in range(0, len(events), size)]


def _cells(rows: Iterable[Sequence[object]], separator: str) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=separator).writerows(rows)
    return file.getvalue()


def _comma(amount: float) -> str:
    return f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))


def _first(event: Event) -> Item:
    return event.items[0] if event.items else Item("")


def _write_headerless_zip(path: Path, events: Sequence[Event]) -> int:
    """Three files in a zip: no header, semicolons, cp1252, decimal commas, date and time apart in Berlin, odd countries."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, part in enumerate(_parts(events, 3), 1):
            rows = []
            for event in part:
                at, item = _moment(event, _BERLIN), _first(event)
                price = _comma(item.price_micros / MICROS) if event.items else ""
                country = "Österreich" if len(rows) % 3 else "Atlantis"
                rows.append(
                    [f"{at:%d.%m.%Y}", f"{at:%H:%M:%S}", event.user_id, event.session_id, _GERMAN[event.type.name],
                     item.item_id, item.category, price, item.quantity if event.items else "", event.order_id, country]
                )  # fmt: skip
            archive.writestr(f"export/teil-{number}.csv", _cells(rows, ";").encode("cp1252"))
        archive.writestr("export/LIESMICH.txt", "Export aus dem Shop")
    return len(events)


def _write_json_array(path: Path, events: Sequence[Event]) -> int:
    """A pretty-printed array: nested objects, milliseconds, pages and tracks, guests without a user, an order's products."""
    written: list[dict[str, Any]] = []
    for event in events:
        line: dict[str, Any] = {
            "messageId": event.event_id,
            "anonymousId": event.user_id,
            "userId": f"u-{event.user_id}" if len(written) % 3 == 0 else None,
            "sentAt": event.event_time_unix_micros // 1_000,
            "context": {"device": {"type": "iPhone" if len(written) % 2 else "fridge"}, "locale": "en-GB"},
        }
        products = [
            {"product_id": item.item_id, "category": item.category, "price": item.price_micros / MICROS,
             "quantity": item.quantity}
            for item in event.items
        ]  # fmt: skip
        if event.type.name not in _SEGMENT:
            line |= {"type": "page", "properties": {"path": "/"}}
        elif event.type is EventType.PURCHASE:
            total = event.money_micros / MICROS
            line |= {"type": "track", "event": _SEGMENT[event.type.name]}
            line["properties"] = {"order_id": event.order_id, "total": total, "currency": "GBP", "products": products}
        else:
            line |= {"type": "track", "event": _SEGMENT[event.type.name], "properties": products[0] if products else {}}
        written.append(line)
    path.write_bytes(lzma.compress(json.dumps(written, indent=2).encode(), preset=0))
    return len(written)


def _write_folder_of_lines(path: Path, events: Sequence[Event]) -> int:
    """Folders of months in UTF-16 with tabs: date, hour and minute apart; every line of an order has the order's total."""
    header = [
        "event_date", "hour", "minute", "second", "visitor", "action", "sku", "department", "unit_price", "qty",
        "order_no", "order_total",
    ]  # fmt: skip
    months: dict[str, list[list[object]]] = {}
    for event in events:
        at = _moment(event)
        word = _SHORT.get(event.type.name, event.type.name.replace("_", " ").lower())
        total = f"{event.money_micros / MICROS:.2f}" if event.type is EventType.PURCHASE else "NULL"
        for item in event.items or (Item(""),):
            months.setdefault(f"{at:%Y-%m}", []).append(
                [f"{at:%m/%d/%Y}", at.hour, at.minute, at.second, event.user_id, word, item.item_id or "NULL",
                 item.category or "NULL", f"${item.price_micros / MICROS:.2f}" if item.item_id else "NULL",
                 item.quantity if item.item_id else "NULL", event.order_id or "NULL", total]
            )  # fmt: skip
            if event.type is not EventType.PURCHASE:
                break
    for number, (month, rows) in enumerate(months.items()):
        (path / month).mkdir(parents=True)
        content = _cells([header, *rows], "\t").encode("utf-16")
        (path / month / f"log.tsv{'.gz' if number else ''}").write_bytes(gzip.compress(content) if number else content)
    return sum(map(len, months.values()))


def _write_headerless_logs(path: Path, events: Sequence[Event]) -> int:
    """Compressed files with pipes, no header: nanoseconds, two ids in one column, words of its own, countries in lower case."""
    path.mkdir()
    for number, part in enumerate(_parts(events, 4), 1):
        rows = [
            [event.event_time_unix_micros * 1_000, f"{event.user_id}/{event.session_id.rpartition('-')[2]}",
             "zoomed" if event.type is EventType.VIEW_ITEM else event.type.name.replace("_", "-").lower(),
             item.item_id or "\\N", item.category or "\\N", f"{item.price_micros / MICROS:.2f}" if event.items else "\\N",
             event.order_id or "\\N", "gb" if place % 5 else "xx1", "tablet"]
            for place, event in enumerate(part)
            for item in [_first(event)]
        ]  # fmt: skip
        (path / f"{number}.log.bz2").write_bytes(bz2.compress(_cells(rows, "|").encode()))
    return len(events)


LOGS = (
    MadeUpLog(name="shop.zip", write=_write_headerless_zip, edit=('time_zone = "UTC"', 'time_zone = "Europe/Berlin"')),
    MadeUpLog(name="tracks.json.xz", write=_write_json_array),
    MadeUpLog(
        name="months",
        write=_write_folder_of_lines,
        remark="look at: 'order_total' is the total of an order, repeated on",
    ),
    MadeUpLog(
        name="raw", write=_write_headerless_logs, edit=('zoomed = "IGNORE"  # not known', 'zoomed = "VIEW_ITEM"')
    ),
)
"""The logs, no two of which have the same kind of file, separator, time, or words."""
