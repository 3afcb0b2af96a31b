"""Segment: messages of its libraries, as webhooks, warehouses and archives pass them on, with the events of its e-commerce spec."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
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

__all__ = ["SEGMENT_EVENT_TYPES", "map_segment_message"]

SEGMENT_EVENT_TYPES: Final[Mapping[str, EventType]] = MappingProxyType(
    {
        "Products Searched": EventType.SEARCH,
        "Product List Viewed": EventType.VIEW_ITEM_LIST,
        "Product List Filtered": EventType.VIEW_ITEM_LIST,
        "Product Clicked": EventType.SELECT_ITEM,
        "Product Viewed": EventType.VIEW_ITEM,
        "Product Added": EventType.ADD_TO_CART,
        "Product Removed": EventType.REMOVE_FROM_CART,
        "Wishlist Product Added to Cart": EventType.ADD_TO_CART,
        "Product Added to Wishlist": EventType.ADD_TO_WISHLIST,
        "Product Removed from Wishlist": EventType.REMOVE_FROM_WISHLIST,
        "Cart Viewed": EventType.VIEW_CART,
        "Checkout Started": EventType.BEGIN_CHECKOUT,
        "Payment Info Entered": EventType.ADD_PAYMENT_INFO,
        "Order Completed": EventType.PURCHASE,
        "Order Refunded": EventType.REFUND,
        "Order Cancelled": EventType.REFUND,
        "Product Reviewed": EventType.RATE_ITEM,
        "Signed Up": EventType.SIGN_UP,
        "Signed In": EventType.LOGIN,
        # The first version of the spec.
        "Viewed Product Category": EventType.VIEW_ITEM_LIST,
        "Viewed Product": EventType.VIEW_ITEM,
        "Added Product": EventType.ADD_TO_CART,
        "Removed Product": EventType.REMOVE_FROM_CART,
        "Completed Order": EventType.PURCHASE,
    }
)
"""The types of the events that have one here, by their names in ``track`` messages; all others are left out."""

_PAGES: Final = {"page", "screen"}
_MONEY: Final = {EventType.PURCHASE, EventType.REFUND}
_ABOUT_ONE: Final = {
    EventType.VIEW_ITEM,
    EventType.SELECT_ITEM,
    EventType.ADD_TO_CART,
    EventType.REMOVE_FROM_CART,
    EventType.ADD_TO_WISHLIST,
    EventType.REMOVE_FROM_WISHLIST,
    EventType.RATE_ITEM,
}
_PHONES: Final = {"ios", "android"}


def map_segment_message(message: Mapping[str, Any], *, prefer_account: bool = False) -> Event | None:
    """Map a message: a ``track`` with one of the names of ``SEGMENT_EVENT_TYPES``, a ``page`` or a ``screen``.

    Args:
        message: The message, as JSON was decoded; its ``messageId`` is the event's id, so it may be mapped and sent again.
        prefer_account: Whether ``userId``, which only a signed-in visitor has, is the visitor rather than ``anonymousId``. One
            visitor is one history, so this suits shops where nearly everyone is signed in.

    Returns:
        The event; None for other messages, such as ``identify``, and for other names.

    Raises:
        ValueError: There is neither an ``anonymousId`` nor a ``userId``, or ``timestamp`` is not a time in ISO 8601.
    """
    kind = _type(message)
    if kind is None:
        return None
    anonymous, account = text_of(message.get("anonymousId")), text_of(message.get("userId"))
    visitor = (account or anonymous) if prefer_account else (anonymous or account)
    if not visitor:
        raise ValueError("expected anonymousId or userId, got neither: an event without a visitor cannot be counted")
    properties, context = object_of(message.get("properties")), object_of(message.get("context"))
    term = label_of(properties.get("query")) if kind is EventType.SEARCH else ""
    return Event(
        type=kind,
        user_id=visitor,
        event_id=text_of(message.get("messageId")),
        event_time_unix_micros=_unix_micros(text_of(message.get("timestamp"))),
        items=_items(kind, properties),
        country=country_of(object_of(context.get("location")).get("country")),
        device=_device(context),
        order_id=text_of(properties.get("order_id"), properties.get("orderId")) if kind in _MONEY else "",
        value=_value(kind, properties),
        currency=text_of(properties.get("currency")) if kind in _MONEY else "",
        labels={"term": term} if term else {},
    )


def _type(message: Mapping[str, Any]) -> EventType | None:
    if message.get("type") in _PAGES:
        return EventType.PAGE_VIEW
    return SEGMENT_EVENT_TYPES.get(text_of(message.get("event"))) if message.get("type") == "track" else None


def _items(kind: EventType, properties: Mapping[str, Any]) -> list[Item]:
    """Return the products of a list or an order, or else the one that the properties themselves describe."""
    listed = list(objects_in(properties.get("products")))
    if not listed:
        # Where the event is not about one product, `id` is that of something else, such as a page, an account or an order.
        listed = [properties if kind in _ABOUT_ONE else {**properties, "id": None}]
    return [item for found in listed if (item := _item(found)).item_id]


def _item(found: Mapping[str, Any]) -> Item:
    return Item(
        item_id=text_of(found.get("product_id"), found.get("sku"), found.get("id")),
        category=text_of(found.get("category")),
        brand=text_of(found.get("brand")),
        price=number_of(found.get("price")) or 0.0,
        quantity=whole_number_of(found.get("quantity")) or 1,
        position=whole_number_of(found.get("position")),
        rank_id=text_of(found.get("rank_id")),
        propensity=number_of(found.get("propensity")) or 0.0,
    )


def _value(kind: EventType, properties: Mapping[str, Any]) -> float | None:
    if kind is EventType.RATE_ITEM:
        return number_of(properties.get("rating"))
    if kind in _MONEY:
        return number_of(properties.get("revenue"), properties.get("subtotal"), properties.get("total"))
    return None


def _device(context: Mapping[str, Any]) -> Device:
    kind = text_of(object_of(context.get("device")).get("type")).lower()
    is_mobile = object_of(context.get("userAgentData")).get("mobile") is True
    return Device.MOBILE if kind in _PHONES or is_mobile else Device.UNSPECIFIED


def _unix_micros(written: str) -> int:
    """Return a time in microseconds since 1970-01-01 UTC; 0 if there is none. One without a zone is in UTC."""
    if not written:
        return 0
    try:
        at = datetime.fromisoformat(written)
    except ValueError as error:
        raise ValueError(f"timestamp: expected a time in ISO 8601, got {written!r}") from error
    since = (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.fromtimestamp(0, UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
