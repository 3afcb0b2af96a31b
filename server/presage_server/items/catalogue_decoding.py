"""What the catalogue says of items, checked item by item: one bad item never fails its neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import isfinite

from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer import MAX_UNIX_MICROS, money_micros
from presage_featurizer.ranking.items_counter import CatalogueChange
from presage_server.errors import InvalidRequestError
from presage_server.rpc.limits import (
    MAX_ID_BYTES,
    MAX_PRICE,
    MAX_STOCK,
    MAX_TAG_BYTES,
    MAX_TAGS,
    MIN_UNIX_MICROS,
)

__all__ = ["decode_changes", "decode_item"]


def decode_changes(items: Iterable[pb.CatalogueItem]) -> Iterator[CatalogueChange | InvalidRequestError]:
    """Check the items of a request.

    Yields:
        For each one the change that it makes, or what is wrong with it; the error's field is such as ``items[3].price``.
    """
    seen: set[str] = set()
    for place, item in enumerate(items):
        field = f"items[{place}]"
        if item.item_id in seen:
            yield InvalidRequestError("expected each item once in a call, got it again", field=f"{field}.item_id")
            continue
        seen.add(item.item_id)
        try:
            yield decode_item(item, field)
        except InvalidRequestError as error:
            yield error


def decode_item(item: pb.CatalogueItem, field: str = "item") -> CatalogueChange:
    """Check one item.

    Raises:
        InvalidRequestError: It breaks the contract.
    """
    if not item.item_id:
        raise InvalidRequestError(f"expected 1 to {MAX_ID_BYTES} bytes, got none", field=f"{field}.item_id")
    has = item.HasField
    return CatalogueChange(
        item_id=_text(item.item_id, MAX_ID_BYTES, f"{field}.item_id"),
        price_micros=_price(item.price, f"{field}.price") if has("price") else None,
        category=_text(item.category, MAX_ID_BYTES, f"{field}.category") if has("category") else None,
        brand=_text(item.brand, MAX_ID_BYTES, f"{field}.brand") if has("brand") else None,
        tags=_tags(tuple(item.tags), f"{field}.tags") if item.tags else None,
        stock=_number(item.stock, 0, MAX_STOCK, f"{field}.stock") if has("stock") else None,
        blocked=item.blocked if has("blocked") else None,
        first_seen_unix_micros=_first_seen(item.first_seen_unix_micros, f"{field}.first_seen_unix_micros")
        if has("first_seen_unix_micros")
        else None,
    )


def _text(text: str, most: int, field: str) -> str:
    if len(text) * 4 > most and len(text.encode()) > most:
        raise InvalidRequestError(f"expected at most {most} bytes, got {len(text.encode())}", field=field)
    return text


def _price(price: float, field: str) -> int:
    if not (isfinite(price) and 0 <= price <= MAX_PRICE):
        raise InvalidRequestError(f"expected 0 to {MAX_PRICE:g}, got {price:g}", field=field)
    return money_micros(price)


def _number(number: int, low: int, high: int, field: str) -> int:
    if not low <= number <= high:
        raise InvalidRequestError(f"expected {low} to {high}, got {number}", field=field)
    return number


def _first_seen(unix_micros: int, field: str) -> int:
    if not MIN_UNIX_MICROS <= unix_micros <= MAX_UNIX_MICROS:
        raise InvalidRequestError(
            f"expected microseconds since 1970 (not seconds or milliseconds) up to {MAX_UNIX_MICROS}, got {unix_micros}",
            field=field,
        )
    return unix_micros


def _tags(tags: tuple[str, ...], field: str) -> tuple[str, ...]:
    if len(tags) > MAX_TAGS:
        raise InvalidRequestError(f"expected at most {MAX_TAGS}, got {len(tags)}", field=field)
    for place, tag in enumerate(tags):
        if not tag:
            raise InvalidRequestError(f"expected 1 to {MAX_TAG_BYTES} bytes, got none", field=f"{field}[{place}]")
        _text(tag, MAX_TAG_BYTES, f"{field}[{place}]")
    return tags
