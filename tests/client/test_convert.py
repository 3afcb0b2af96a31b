from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage.v1 import event_pb2
from presage_client import Device, Event, EventType, Item
from presage_client._convert import build, event_to_proto

# protobuf's strings are UTF-8, which has no lone surrogates.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INT64S = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False)
INT32S = st.integers(-(2**31), 2**31 - 1)
ITEMS = st.builds(
    Item,
    item_id=TEXTS,
    category=TEXTS,
    brand=TEXTS,
    price=FLOATS,
    quantity=INT64S,
    position=INT32S,
    rank_id=TEXTS,
    propensity=FLOATS,
)
EVENTS = st.builds(
    Event,
    event_id=TEXTS,
    type=st.sampled_from(EventType),
    user_id=TEXTS,
    session_id=TEXTS,
    event_time_unix_micros=INT64S,
    items=st.lists(ITEMS, max_size=3),
    country=TEXTS,
    device=st.sampled_from(Device),
    order_id=TEXTS,
    value=st.none() | st.floats(allow_nan=False),
    currency=TEXTS,
    numbers=st.dictionaries(TEXTS, st.floats(allow_nan=False), max_size=3),
    labels=st.dictionaries(TEXTS, TEXTS, max_size=3),
)


@given(EVENTS)
def test_an_event_arrives_as_it_was_sent(event):
    arrived = event_pb2.Event.FromString(event_to_proto(event).SerializeToString())

    # The server decides what is valid: nothing is rounded, clipped or left out here.
    assert event == Event(
        event_id=arrived.event_id,
        type=EventType(arrived.type),
        user_id=arrived.user_id,
        session_id=arrived.session_id,
        event_time_unix_micros=arrived.event_time_unix_micros,
        items=[
            Item(**{field.name: getattr(item, field.name) for field in event_pb2.Item.DESCRIPTOR.fields})
            for item in arrived.items
        ],
        country=arrived.country,
        device=Device(arrived.device),
        order_id=arrived.order_id,
        value=arrived.value if arrived.HasField("value") else None,
        currency=arrived.currency,
        numbers=dict(arrived.numbers),
        labels=dict(arrived.labels),
    )
    assert all(item.HasField("quantity") for item in arrived.items)


def test_not_a_number_reaches_the_server_which_refuses_it():
    assert math.isnan(event_to_proto(Event(type=EventType.REFUND, user_id="u", value=math.nan)).value)


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("user_id", "\ud800", ValueError),
        ("type", 2**31, ValueError),
        ("event_time_unix_micros", 2**63, ValueError),
        ("labels", {"term": "\ud800"}, ValueError),
    ],
)
def test_what_the_contract_cannot_hold_is_refused_by_name(field, value, kind):
    fields = {"type": EventType.LOGIN, "user_id": "u", field: value}
    with pytest.raises(kind, match=f"^{field}: got .*, which Event cannot hold: "):
        event_to_proto(Event(**fields))


def test_an_item_is_refused_by_name_too():
    with pytest.raises(ValueError, match=r"^quantity: got 9223372036854775808, which Item cannot hold: "):
        event_to_proto(Event(type=EventType.LOGIN, user_id="u", items=[Item(item_id="i", quantity=2**63)]))


def test_an_event_of_another_kind_is_refused():
    with pytest.raises(TypeError, match=r"^event: expected an Event, got \{'user_id': 'u'\}, which is of type dict$"):
        event_to_proto({"user_id": "u"})


def test_numbers_of_other_libraries_arrive():
    item = Item(item_id="i", price=Decimal("2.5"), quantity=np.int64(3))
    numbers = {"margin": Decimal("1.5"), "hits": np.int64(4), "rank": 2}
    event = Event(type=EventType.PURCHASE, user_id="u", items=(item,), value=np.float32(7.5), numbers=numbers)
    message = event_to_proto(event)
    assert dict(message.numbers) == {"margin": 1.5, "hits": 4.0, "rank": 2.0}
    assert (message.value, message.items[0].price, message.items[0].quantity) == (7.5, 2.5, 3)


def test_a_field_that_the_contract_lacks_is_refused():
    with pytest.raises(ValueError, match="nope"):
        build(event_pb2.Event, nope=1)
