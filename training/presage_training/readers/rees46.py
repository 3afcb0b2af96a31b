"""REES46's "eCommerce behavior data from multi category store": one row for each event."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

from presage_featurizer.events import Event, EventType, Item
from presage_training.readers.cells import id_text, price_micros, required_id, unix_micros
from presage_training.readers.skips import Skips
from presage_training.readers.tables import file_stem, read_rows

__all__ = ["read_rees46"]

_COLUMNS = (
    "event_time",
    "event_type",
    "product_id",
    "category_id",
    "category_code",
    "brand",
    "price",
    "user_id",
    "user_session",
)
_EVENT_TYPES = {
    "view": EventType.VIEW_ITEM,
    "cart": EventType.ADD_TO_CART,
    "remove_from_cart": EventType.REMOVE_FROM_CART,
    "purchase": EventType.PURCHASE,
}


def read_rees46(path: Path, *, skips: Skips) -> Iterator[Event]:
    """Read a month of events, or a part of one; see ``read_events``.

    An event's id is the name of the file and the number of the row, so that replaying a file twice counts once.
    """
    stem = file_stem(path)
    for number, cells in read_rows(path, _COLUMNS, skips=skips):
        if cells[1] not in _EVENT_TYPES:
            what = f"expected one of {', '.join(_EVENT_TYPES)}, got {cells[1]!r}"
            skips.add("unknown event type", where=f"row {number}", what=what)
            continue
        try:
            event = _event(f"{stem}:{number}", cells)
        except ValueError as error:
            skips.add("unreadable row", where=f"row {number}", what=str(error))
        else:
            yield event


def _event(event_id: str, cells: tuple[Any, ...]) -> Event:
    time, event_type, product_id, category_id, category_code, brand, price, user_id, session_id = cells
    if isinstance(time, str):
        time = time.removesuffix(" UTC")
    item = Item(
        item_id=required_id(product_id, "a product_id"),
        category=category_code or id_text(category_id),
        brand=brand or "",
        price_micros=price_micros(price),
    )
    return Event(
        event_id=event_id,
        type=_EVENT_TYPES[event_type],
        user_id=required_id(user_id, "a user_id"),
        event_time_unix_micros=unix_micros(time, time_zone=UTC),
        session_id=id_text(session_id),
        items=(item,),
    )
