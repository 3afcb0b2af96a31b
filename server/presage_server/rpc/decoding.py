"""From the wire to the domain: requests are checked here, field by field, and nowhere else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from typing import TypeVar

import numpy as np
from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray

from presage.v1 import event_pb2, prediction_pb2, scoring_service_pb2
from presage_featurizer import MAX_UNIX_MICROS, Device, Event, EventType, FeatureSet, Item, Shown, money_micros
from presage_server.errors import InvalidRequestError
from presage_server.rpc.attributes import decode_labels, decode_numbers
from presage_server.rpc.limits import (
    MAX_BATCH,
    MAX_BATCH_ITEMS,
    MAX_EVENT_BYTES,
    MAX_EVENTS_PER_VISITOR,
    MAX_FUTURE_MICROS,
    MAX_ID_BYTES,
    MAX_ITEMS,
    MAX_POSITION,
    MAX_PRICE,
    MAX_QUANTITY,
    MAX_RANK_ID_BYTES,
    MAX_VALUE,
    MIN_UNIX_MICROS,
)

__all__ = [
    "COUNTRY",
    "check_batch",
    "check_batch_items",
    "check_batch_of_visitor",
    "decode_as_of",
    "decode_event",
    "decode_message",
    "decode_session_id",
    "decode_target",
    "decode_user_id",
    "decode_vectors",
]

M = TypeVar("M", bound=Message)

_TYPES = {int(kind): kind for kind in EventType if kind}
_DEVICES = {int(device): device for device in Device}
COUNTRY = re.compile(r"[A-Z]{2}")
_CURRENCY = re.compile(r"[A-Z]{3}")


def decode_event(
    message: event_pb2.Event, now_unix_micros: int, new_id: Callable[[], str], field: str = "event"
) -> Event:
    """Check an event and turn it into the featurizer's.

    Args:
        message: The event as it came.
        now_unix_micros: The server's clock: the time of an event without one.
        new_id: Makes the id of an event without one.
        field: Where the event stands in the request, for messages.

    Raises:
        InvalidRequestError: A field breaks the contract; the error names it.
    """
    if message.ByteSize() > MAX_EVENT_BYTES:
        raise InvalidRequestError(f"expected at most {MAX_EVENT_BYTES} bytes, got {message.ByteSize()}", field=field)
    kind = _TYPES.get(message.type)
    if kind is None:
        raise InvalidRequestError(f"expected one of 1 to {max(_TYPES)}, got {message.type}", field=f"{field}.type")
    time = message.event_time_unix_micros
    if time and not MIN_UNIX_MICROS <= time <= now_unix_micros + MAX_FUTURE_MICROS:
        raise InvalidRequestError(
            "expected 0 (now), or microseconds since 1970 (not seconds or milliseconds) up to five minutes ahead of the server's "
            f"clock, got {time}",
            field=f"{field}.event_time_unix_micros",
        )
    # Each read of a message's field costs as much as a check, so those of optional fields are read once.
    country, currency, items = message.country, message.currency, message.items
    numbers, labels = message.numbers, message.labels
    if country and not COUNTRY.fullmatch(country):
        raise InvalidRequestError(
            f"expected an ISO 3166-1 alpha-2 code in capitals, got {country[:32]!r}", field=f"{field}.country"
        )
    if currency and not _CURRENCY.fullmatch(currency):
        raise InvalidRequestError(
            f"expected an ISO 4217 code in capitals, got {currency[:32]!r}", field=f"{field}.currency"
        )
    device = _DEVICES.get(message.device)
    if device is None:
        raise InvalidRequestError(f"expected 0 to {max(_DEVICES)}, got {message.device}", field=f"{field}.device")
    value_micros = None
    if message.HasField("value"):
        value_micros = _decode_money(message.value, MAX_VALUE, f"{field}.value")
    event = Event(
        event_id=_decode_id(message.event_id, field, "event_id") or new_id(),
        type=kind,
        user_id=decode_user_id(message.user_id, f"{field}.user_id"),
        event_time_unix_micros=time or now_unix_micros,
        session_id=_decode_id(message.session_id, field, "session_id"),
        items=_decode_items(items, f"{field}.items") if items else (),
        country=country,
        device=device,
        order_id=_decode_id(message.order_id, field, "order_id"),
        value_micros=value_micros,
        currency=currency,
        numbers=decode_numbers(numbers, f"{field}.numbers") if numbers else {},
        labels=decode_labels(labels, f"{field}.labels") if labels else {},
    )
    if event.money_micros > money_micros(MAX_VALUE):
        raise InvalidRequestError(f"expected price * quantity to sum to at most {MAX_VALUE:g}", field=f"{field}.items")
    return event


def decode_message(message_class: type[M], data: bytes) -> M:
    """Parse a request's bytes.

    Raises:
        InvalidRequestError: They are not a message of this type.
    """
    try:
        return message_class.FromString(data)
    except DecodeError as error:
        raise InvalidRequestError(
            f"expected a {message_class.DESCRIPTOR.full_name}, got {len(data)} bytes that cannot be parsed as one"
        ) from error


def decode_user_id(user_id: str, field: str = "user_id") -> str:
    """Check a visitor's id: 1 to MAX_ID_BYTES bytes."""
    if not user_id:
        raise InvalidRequestError(f"expected 1 to {MAX_ID_BYTES} bytes, got none", field=field)
    return _decode_id(user_id, field)


def decode_session_id(session_id: str, field: str = "session_id") -> str:
    """Check a session's id: at most MAX_ID_BYTES bytes; empty names none."""
    return _decode_id(session_id, field)


def decode_target(target: scoring_service_pb2.ScoreTarget, position: int) -> tuple[str, str]:
    """Check one visitor of a batch; return the ids of visitor and session."""
    user_id, session_id = target.user_id, target.session_id
    # Most ids are so short that their bytes need no counting, and the name of a correct field is not needed.
    if not user_id or (len(user_id) + len(session_id)) * 4 > MAX_ID_BYTES:
        decode_user_id(user_id, f"targets[{position}].user_id")
        decode_session_id(session_id, f"targets[{position}].session_id")
    return user_id, session_id


def decode_as_of(as_of_unix_micros: int, now_unix_micros: int) -> int:
    """Check the moment to score at; 0 becomes now."""
    if as_of_unix_micros and not MIN_UNIX_MICROS <= as_of_unix_micros <= MAX_UNIX_MICROS:
        raise InvalidRequestError(
            f"expected 0 (now), or microseconds since 1970 (not seconds or milliseconds) up to {MAX_UNIX_MICROS}, "
            f"got {as_of_unix_micros}",
            field="as_of_unix_micros",
        )
    return as_of_unix_micros or now_unix_micros


def check_batch(entries: Sequence[object], field: str) -> None:
    """Check how many entries a batch has."""
    if len(entries) > MAX_BATCH:
        raise InvalidRequestError(f"expected at most {MAX_BATCH} in one call, got {len(entries)}", field=field)


def check_batch_items(events: Sequence[event_pb2.Event], field: str) -> None:
    """Check how many items the events of a batch have in all."""
    items = sum(len(event.items) for event in events)
    if items > MAX_BATCH_ITEMS:
        raise InvalidRequestError(f"expected at most {MAX_BATCH_ITEMS} items in one call, got {items}", field=field)


def check_batch_of_visitor(visitors: Counter[str], user_id: str, field: str) -> None:
    """Count one more event of a visitor in a batch, and check how many there are."""
    visitors[user_id] += 1
    if visitors[user_id] > MAX_EVENTS_PER_VISITOR:
        raise InvalidRequestError(
            f"expected at most {MAX_EVENTS_PER_VISITOR} events of one visitor in one call; send this one in the next",
            field=f"{field}.user_id",
        )


def decode_vectors(
    vectors: Sequence[prediction_pb2.FeatureVector], feature_set: FeatureSet, first: int = 0
) -> NDArray[np.float32]:
    """Check vectors and stack them.

    Args:
        vectors: Some of a request's vectors.
        feature_set: What they must consist of.
        first: The place of the first one in the request, for messages.

    Returns:
        Array of shape (len(vectors), number of features), float32, all finite.

    Raises:
        InvalidRequestError: A vector is of another set, order or length, or holds NaN or an infinity.
    """
    width = len(feature_set.features)
    rows = np.empty((len(vectors), width), dtype=np.float32)
    for position, vector in enumerate(vectors):
        field = f"vectors[{first + position}]"
        if vector.feature_set and vector.feature_set != feature_set.name:
            raise InvalidRequestError(
                f"expected the model's own, {feature_set.name!r}, or none, got {vector.feature_set[:64]!r}",
                field=f"{field}.feature_set",
            )
        if vector.names and tuple(vector.names) != feature_set.features:
            raise InvalidRequestError(
                f"expected none, or exactly the features of {feature_set.name!r} in their order", field=f"{field}.names"
            )
        if len(vector.values) != width:
            raise InvalidRequestError(f"expected {width} values, got {len(vector.values)}", field=f"{field}.values")
        rows[position] = vector.values
    if not np.isfinite(rows).all():
        row, column = np.argwhere(~np.isfinite(rows))[0]
        raise InvalidRequestError(
            f"expected a finite number for {feature_set.features[column]}, got {rows[row, column]}",
            field=f"vectors[{first + row}].values[{column}]",
        )
    return rows


def _decode_id(text: str, field: str, name: str = "") -> str:
    """Check an id, a category or a brand; ``name`` is its name within ``field``, joined only where it is needed."""
    # No character takes more than four bytes, so most ids need no encoding to be measured.
    if len(text) * 4 > MAX_ID_BYTES and len(text.encode()) > MAX_ID_BYTES:
        raise InvalidRequestError(
            f"expected at most {MAX_ID_BYTES} bytes, got {len(text.encode())}",
            field=f"{field}.{name}" if name else field,
        )
    return text


def _decode_items(items: Sequence[event_pb2.Item], field: str) -> tuple[Item, ...]:
    if len(items) > MAX_ITEMS:
        raise InvalidRequestError(f"expected at most {MAX_ITEMS}, got {len(items)}", field=field)
    return tuple(_decode_each_item(items, field))


def _decode_each_item(items: Iterable[event_pb2.Item], field: str) -> Iterable[Item]:
    for position, item in enumerate(items):
        where = f"{field}[{position}]"
        if not item.item_id:
            raise InvalidRequestError(f"expected 1 to {MAX_ID_BYTES} bytes, got none", field=f"{where}.item_id")
        quantity = item.quantity if item.HasField("quantity") else 1
        if not 1 <= quantity <= MAX_QUANTITY:
            raise InvalidRequestError(f"expected 1 to {MAX_QUANTITY}, got {quantity}", field=f"{where}.quantity")
        yield Item(
            item_id=_decode_id(item.item_id, where, "item_id"),
            category=_decode_id(item.category, where, "category"),
            brand=_decode_id(item.brand, where, "brand"),
            price_micros=_decode_money(item.price, MAX_PRICE, f"{where}.price"),
            quantity=quantity,
            shown=_decode_shown(item, where),
        )


def _decode_shown(item: event_pb2.Item, where: str) -> Shown | None:
    position, rank_id, propensity = item.position, item.rank_id, item.propensity
    if not (position or rank_id or propensity):  # -0.0 and 0 say the same
        return None
    if not 0 <= position <= MAX_POSITION:
        raise InvalidRequestError(f"expected 0 to {MAX_POSITION}, got {position}", field=f"{where}.position")
    if len(rank_id.encode()) > MAX_RANK_ID_BYTES:
        raise InvalidRequestError(f"expected at most {MAX_RANK_ID_BYTES} bytes", field=f"{where}.rank_id")
    if not 0.0 <= propensity <= 1.0:  # also false for NaN
        raise InvalidRequestError(f"expected 0 to 1, got {propensity:g}", field=f"{where}.propensity")
    return Shown(position, rank_id, propensity)


def _decode_money(amount: float, most: float, field: str) -> int:
    if not (isfinite(amount) and 0 <= amount <= most):
        raise InvalidRequestError(f"expected 0 to {most:g}, got {amount:g}", field=field)
    return money_micros(amount)
