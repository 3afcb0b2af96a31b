"""Google Analytics 4: payloads as its Measurement Protocol has them, and rows of its export to BigQuery."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from presage_client.mapping._values import (
    country_of,
    label_of,
    number_of,
    object_of,
    objects_in,
    text_of,
    whole_number_of,
)
from presage_client.types import Device, Event, EventType, Item

__all__ = ["GA4_EVENT_TYPES", "map_ga4_export_row", "map_ga4_payload"]

GA4_EVENT_TYPES: Final[Mapping[str, EventType]] = MappingProxyType(
    {
        "page_view": EventType.PAGE_VIEW,
        "screen_view": EventType.PAGE_VIEW,
        "view_item": EventType.VIEW_ITEM,
        "view_item_list": EventType.VIEW_ITEM_LIST,
        "select_item": EventType.SELECT_ITEM,
        "search": EventType.SEARCH,
        "view_search_results": EventType.SEARCH,
        "add_to_cart": EventType.ADD_TO_CART,
        "remove_from_cart": EventType.REMOVE_FROM_CART,
        "add_to_wishlist": EventType.ADD_TO_WISHLIST,
        "view_cart": EventType.VIEW_CART,
        "begin_checkout": EventType.BEGIN_CHECKOUT,
        "add_payment_info": EventType.ADD_PAYMENT_INFO,
        "purchase": EventType.PURCHASE,
        "refund": EventType.REFUND,
        "sign_up": EventType.SIGN_UP,
        "login": EventType.LOGIN,
    }
)
"""The types of the events that have one here, by their names there; all others are left out."""

_DEVICES: Final = {"desktop": Device.DESKTOP, "mobile": Device.MOBILE, "tablet": Device.TABLET}
_MONEY: Final = {EventType.PURCHASE, EventType.REFUND}
_KEYS_OF_A_ROW: Final = ("event_bundle_sequence_id", "batch_page_id", "batch_ordering_id", "batch_event_index")
_KEYS_OF_AN_ITEM: Final = ("item_id", "item_name", "item_variant", "quantity")


def map_ga4_payload(payload: Mapping[str, Any], *, prefer_account: bool = False) -> list[Event]:
    """Map a request's body of the Measurement Protocol: ``client_id``, ``user_id``, and ``events`` with ``name`` and ``params``.

    A page's own event, as ``gtag("event", name, params)`` or a data layer has it, is such a payload with one event. With a
    ``timestamp_micros``, the same payload gives events with the same ids, so it may be sent again.

    Args:
        payload: The body, as JSON was decoded.
        prefer_account: Whether ``user_id``, which only a signed-in visitor has, is the visitor rather than ``client_id``. One
            visitor is one history, so this suits shops where nearly everyone is signed in.

    Returns:
        The events that have a type here, in order; their number may be 0.

    Raises:
        ValueError: There is neither a ``client_id`` (in apps ``app_instance_id``) nor a ``user_id``.
    """
    device_id = text_of(payload.get("client_id"), payload.get("app_instance_id"))
    user_id = _visitor(device_id, payload.get("user_id"), prefer_account, "client_id or user_id")
    device = _DEVICES.get(text_of(object_of(payload.get("device")).get("category")).lower(), Device.UNSPECIFIED)
    country = country_of(object_of(payload.get("user_location")).get("country_id"))
    events = []
    for place, sent in enumerate(objects_in(payload.get("events"))):
        name, params = text_of(sent.get("name")), object_of(sent.get("params"))
        micros = whole_number_of(sent.get("timestamp_micros"), payload.get("timestamp_micros"))
        if name in GA4_EVENT_TYPES:
            event = _event(
                name,
                params,
                items=objects_in(params.get("items")),
                user_id=user_id,
                event_id=_digest(user_id, name, micros, place, params) if micros else "",
                session_id=text_of(params.get("session_id")),
                event_time_unix_micros=micros,
                country=country,
                device=device,
            )
            events.append(event)
    return events


def map_ga4_export_row(row: Mapping[str, Any], *, prefer_account: bool = False) -> Event | None:
    """Map a row of ``events_YYYYMMDD``, as BigQuery writes tables to JSON lines or its client returns them.

    Args:
        row: The row, with ``event_params`` and ``items`` as arrays.
        prefer_account: As for ``map_ga4_payload``; the other is ``user_pseudo_id``.

    Returns:
        The event; None if its name has no type here. ``geo.country`` is a name, not a code, and is left out.

    Raises:
        ValueError: The row has neither a ``user_pseudo_id`` (exports omit it without consent) nor a ``user_id``.
    """
    name = text_of(row.get("event_name"))
    if name not in GA4_EVENT_TYPES:
        return None
    user_id = _visitor(
        text_of(row.get("user_pseudo_id")), row.get("user_id"), prefer_account, "user_pseudo_id or user_id"
    )
    params = {text_of(param.get("key")): _value(param.get("value")) for param in objects_in(row.get("event_params"))}
    order = object_of(row.get("ecommerce"))
    micros = whole_number_of(row.get("event_timestamp"))
    # Rows of older exports do not say where in their batch they were, and all rows of a batch have the same time, so parameters and
    # items distinguish them. As texts: BigQuery writes whole numbers to JSON as texts.
    about = sorted((key, text_of(value)) for key, value in params.items())
    items = list(objects_in(row.get("items")))
    listed = [[text_of(item.get(key)) for key in _KEYS_OF_AN_ITEM] for item in items]
    return _event(
        name,
        {
            **params,
            "transaction_id": text_of(order.get("transaction_id"), params.get("transaction_id")),
            "value": number_of(params.get("value"), order.get("purchase_revenue"), order.get("refund_value")),
        },
        items=items,
        user_id=user_id,
        event_id=_digest(user_id, name, micros, *(text_of(row.get(key)) for key in _KEYS_OF_A_ROW), about, listed),
        session_id=text_of(params.get("ga_session_id")),
        event_time_unix_micros=micros,
        country=country_of(object_of(row.get("geo")).get("country")),
        device=_DEVICES.get(text_of(object_of(row.get("device")).get("category")).lower(), Device.UNSPECIFIED),
    )


def _visitor(device_id: str, account_id: Any, prefer_account: bool, expected: str) -> str:  # noqa: FBT001
    account = text_of(account_id)
    visitor = (account or device_id) if prefer_account else (device_id or account)
    if not visitor:
        raise ValueError(f"expected {expected}, got neither: an event without a visitor cannot be counted")
    return visitor


def _event(name: str, params: Mapping[str, Any], *, items: Iterable[Mapping[str, Any]], **fields: Any) -> Event:
    kind = GA4_EVENT_TYPES[name]
    has_money = kind in _MONEY
    term = label_of(params.get("search_term"))
    return Event(
        type=kind,
        items=[item for found in items if (item := _item(found)).item_id],
        order_id=text_of(params.get("transaction_id")) if has_money else "",
        value=number_of(params.get("value")) if has_money else None,
        currency=text_of(params.get("currency")) if has_money else "",
        labels={"term": term} if term else {},
        **fields,
    )


def _item(found: Mapping[str, Any]) -> Item:
    index = number_of(found.get("index"), found.get("item_list_index"))
    return Item(
        item_id=text_of(found.get("item_id"), found.get("item_name")),
        category=text_of(found.get("item_category")),
        brand=text_of(found.get("item_brand")),
        price=number_of(found.get("price")) or 0.0,
        quantity=whole_number_of(found.get("quantity")) or 1,
        position=0 if index is None else int(index) + 1,  # the first is 0 there, and 1 here
        rank_id=text_of(found.get("rank_id"), *_own(found, "rank_id")),
        propensity=number_of(found.get("propensity"), *_own(found, "propensity")) or 0.0,
    )


def _own(found: Mapping[str, Any], key: str) -> list[Any]:
    """Return the values of a shop's own parameter of an item, which the export has apart."""
    return [_value(param.get("value")) for param in objects_in(found.get("item_params")) if param.get("key") == key]


def _value(value: Any) -> Any:
    """Return the one value that is set, of those of a parameter in the export."""
    kinds = ("string_value", "int_value", "double_value", "float_value")
    return next((found for kind in kinds if (found := object_of(value).get(kind)) is not None), None)


def _digest(*parts: Any) -> str:
    """Return an id that is the same whenever the same event is mapped."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]
