"""What a backend sends and gets, as plain dataclasses; the limits and meanings are those of ``presage/v1/*.proto``.

Types are checked here, as an object is made. Values are checked by the server, which names the field that it rejects.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Final

from presage_client._checks import (
    check_integers,
    check_items,
    check_labels,
    check_member,
    check_named_numbers,
    check_numbers,
    check_texts,
    to_unix_micros,
)
from presage_client.errors import PresageError

__all__ = [
    "Arm",
    "Device",
    "Event",
    "EventType",
    "Features",
    "Item",
    "Prediction",
    "ScoreTarget",
    "Timings",
    "TrackOutcome",
    "TrackResult",
]


_ITEM_TEXTS: Final = ("item_id", "category", "brand", "rank_id")
_EVENT_TEXTS: Final = ("user_id", "event_id", "session_id", "country", "order_id", "currency")


class EventType(IntEnum):
    """What a visitor did; the names are those of Google Analytics 4's e-commerce events."""

    UNSPECIFIED = 0
    PAGE_VIEW = 1
    VIEW_ITEM = 2
    VIEW_ITEM_LIST = 3
    SELECT_ITEM = 4
    SEARCH = 5
    ADD_TO_CART = 6
    REMOVE_FROM_CART = 7
    ADD_TO_WISHLIST = 8
    REMOVE_FROM_WISHLIST = 9
    VIEW_CART = 10
    BEGIN_CHECKOUT = 11
    ADD_PAYMENT_INFO = 12
    PURCHASE = 13
    REFUND = 14
    RATE_ITEM = 15
    GROUP_VIEW = 16
    GROUP_JOIN_START = 17
    GROUP_JOIN = 18
    GROUP_LEAVE = 19
    SIGN_UP = 20
    LOGIN = 21


class Device(IntEnum):
    """The kind of device that an event came from."""

    UNSPECIFIED = 0
    DESKTOP = 1
    MOBILE = 2
    TABLET = 3
    OTHER = 4


class Arm(IntEnum):
    """Which of a model's versions a visitor gets while more than one of them serves."""

    UNSPECIFIED = 0
    """The champion serves everyone, or a newer server has a word for it that this client lacks."""
    CHAMPION = 1
    """The version that serves all visitors that no other version serves."""
    CHALLENGER = 2
    """The version that is tried on a share of the visitors."""
    HOLDOUT = 3
    """The visitor is held out: nothing that is done for them should depend on a score."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One product within an event.

    Raises:
        TypeError: A field has a value of the wrong type; the message names it.
    """

    item_id: str
    """The shop's id of the product; 1 to 256 bytes."""
    category: str = ""
    """The product's category; empty if unknown."""
    brand: str = ""
    """The product's brand; empty if unknown."""
    price: float = 0.0
    """The price of one unit in the shop's currency; 0 if unknown or free."""
    quantity: int = 1
    """How many units, at least 1."""
    position: int = 0
    """Its place in the list that showed it, from 1; 0 if unknown. For VIEW_ITEM_LIST and SELECT_ITEM."""
    rank_id: str = ""
    """The id of the ranking that put it there; empty if none did."""
    propensity: float = 0.0
    """The probability with which that ranking put it there, 0 to 1; 0 if unknown."""

    def __post_init__(self) -> None:
        check_texts(self, _ITEM_TEXTS)
        check_numbers(self, ("price", "propensity"))
        check_integers(self, ("quantity", "position"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One thing that a visitor did.

    Make the event once and send that same object again after an error: the server knows it by its ``event_id`` and
    counts it once.

    Raises:
        TypeError: A field has a value of the wrong type; the message names it.
        ValueError: The time is a datetime without a time zone.
    """

    type: EventType
    """What was done; anything but UNSPECIFIED."""
    user_id: str
    """The visitor: an account id or a visitor cookie; 1 to 256 bytes."""
    event_id: str = ""
    """Idempotency key, at most 256 bytes; where none is given, the event gets a random UUID as it is made."""
    session_id: str = ""
    """The caller's own session id; empty if the server is to keep sessions itself."""
    event_time_unix_micros: int | datetime = 0
    """When it happened, in microseconds since 1970-01-01 UTC; 0 means now, by the server's clock.

    A datetime with a time zone is converted.
    """
    items: Sequence[Item] = ()
    """The products concerned, at most 2,000."""
    country: str = ""
    """Where the visitor is: an ISO 3166-1 alpha-2 code in capitals; empty if unknown."""
    device: Device = Device.UNSPECIFIED
    """The device that the visitor used."""
    order_id: str = ""
    """The shop's order id of a PURCHASE or REFUND."""
    value: float | None = None
    """The money of a PURCHASE or REFUND (None: the sum of price * quantity over items), the rating of a RATE_ITEM."""
    currency: str = ""
    """An ISO 4217 code in capitals; empty if unknown; nothing is converted."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """The shop's own numbers by name, such as a margin, at most 16; for features of its own."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The shop's own words by name, such as a channel, at most 16, each of at most 128 bytes."""

    def __post_init__(self) -> None:
        check_texts(self, _EVENT_TEXTS)
        check_member("type", self.type, EventType)
        check_member("device", self.device, Device)
        check_items("items", self.items, Item)
        check_named_numbers("numbers", self.numbers)
        check_labels("labels", self.labels)
        if self.value is not None:
            check_numbers(self, ("value",))
        if type(self.event_time_unix_micros) is not int:
            micros = to_unix_micros("event_time_unix_micros", self.event_time_unix_micros)
            object.__setattr__(self, "event_time_unix_micros", micros)
        # The client repeats a call by itself when a server goes away, so no event may travel without a key.
        if not self.event_id:
            object.__setattr__(self, "event_id", uuid.uuid4().hex)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreTarget:
    """One visitor to score in a batch.

    Raises:
        TypeError: A field has a value of the wrong type; the message names it.
    """

    user_id: str
    """The visitor; 1 to 256 bytes."""
    session_id: str = ""
    """The session whose features to use; empty means the visitor's most recent one that is not idle."""

    def __post_init__(self) -> None:
        check_texts(self, ("user_id", "session_id"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Timings:
    """The time that each stage of a call took inside the server, in microseconds."""

    decode_micros: float
    """Checking and decoding the request."""
    queue_micros: float
    """Waiting for earlier calls for the same visitor, or for those that came in the same moment and share a read of the store."""
    store_micros: float
    """Waiting for the store."""
    featurize_micros: float
    """Assembling the feature vector."""
    model_micros: float
    """Running the model and its link function."""
    total_micros: float
    """From the start of the handler until the prediction was ready."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """What a model says about one visitor or one vector."""

    score: float
    """A probability for a model with a logit link, a plain number for one with an identity link."""
    model: str
    """The model's name."""
    model_version: str
    """The model's version."""
    cold_start: bool
    """Whether the visitor had no recorded history."""
    degraded: bool
    """Whether the history could not be read, so that the score is that of a visitor without one."""
    no_session: bool
    """Whether no session was open at that moment, so that the session's features are those of a visitor who does nothing yet."""
    features: dict[str, float] | None
    """The features that were scored by name, float32 values in the model's order; None unless asked for."""
    timings: Timings | None
    """How long each stage took; None unless asked for."""
    arm: Arm = Arm.UNSPECIFIED
    """Which of the model's versions the visitor is assigned to. Where they are held out, do nothing that depends on the score."""
    prior: bool = False
    """Whether the score is what is known before a model was trained, the same for visitors of one country, device and hour."""


class Features(dict[str, float]):
    """The features of one visitor by name, float32 values in the order of the set.

    Args:
        values: Names and values.
        cold_start: Whether the visitor had no recorded history.
        no_session: Whether no session was open at that moment.
    """

    def __init__(self, values: Mapping[str, float], *, cold_start: bool, no_session: bool) -> None:
        super().__init__(values)
        self.cold_start = cold_start
        self.no_session = no_session


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackResult:
    """What became of one tracked event: it is in the visitor's state and in the event log."""

    duplicate: bool
    """Whether the event had been counted before, so that this call changed nothing."""
    prediction: Prediction | None
    """The score right after the event; None unless asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackOutcome:
    """What became of one event of many."""

    duplicate: bool
    """Whether the event had been counted before."""
    error: PresageError | None
    """Why the event is not counted; None if it is, now or before."""
