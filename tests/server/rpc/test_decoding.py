"""What a request may hold: the bounds themselves pass, and random messages never get past the checks half-checked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from presage.v1 import event_pb2, prediction_pb2
from presage_featurizer import CONVERSION, MAX_UNIX_MICROS, decode_event, encode_event, encode_state, fold
from presage_featurizer import Event as DomainEvent
from presage_featurizer import EventType as DomainType
from presage_featurizer import Item as DomainItem
from presage_server.errors import InvalidRequestError
from presage_server.rpc import decoding
from presage_server.rpc.limits import (
    MAX_BATCH_ITEMS,
    MAX_EVENT_BYTES,
    MAX_EVENTS_PER_VISITOR,
    MAX_FUTURE_MICROS,
    MAX_ID_BYTES,
    MAX_ITEMS,
    MAX_PRICE,
    MAX_QUANTITY,
    MAX_VALUE,
    MIN_UNIX_MICROS,
)

NOW = 1_700_000_000_000_000
PAGE_VIEW = event_pb2.EVENT_TYPE_PAGE_VIEW


def decode(**fields):
    return decoding.decode_event(
        event_pb2.Event(**{"type": PAGE_VIEW, "user_id": "u"} | fields), NOW, lambda: "made-up"
    )


def test_an_event_with_nothing_but_type_and_visitor_gets_an_id_and_the_servers_time():
    assert decode() == DomainEvent("made-up", DomainType.PAGE_VIEW, "u", NOW)


def test_every_field_arrives():
    items = [event_pb2.Item(item_id="i", category="c", brand="b", price=1.25, quantity=3)]
    message = event_pb2.Event(
        event_id="e",
        type=event_pb2.EVENT_TYPE_PURCHASE,
        user_id="u",
        session_id="s",
        event_time_unix_micros=NOW,
        items=items,
        country="GB",
        device=event_pb2.DEVICE_TABLET,
        order_id="o",
        value=9.5,
        currency="EUR",
        numbers={"margin": 2.5},
        labels={"channel": "email"},
    )
    decoded = decoding.decode_event(message, NOW, lambda: "unused")
    assert decoded == DomainEvent(
        event_id="e",
        type=DomainType.PURCHASE,
        user_id="u",
        event_time_unix_micros=NOW,
        session_id="s",
        items=(DomainItem("i", "c", "b", 1_250_000, 3),),
        country="GB",
        device=3,
        order_id="o",
        value_micros=9_500_000,
        currency="EUR",
        numbers={"margin": 2.5},
        labels={"channel": "email"},
    )


def test_a_quantity_that_is_not_given_is_one():
    assert decode(items=[event_pb2.Item(item_id="i")]).items[0].quantity == 1


def test_a_value_of_zero_is_not_the_same_as_none():
    assert (decode(value=0.0).value_micros, decode().value_micros) == (0, None)


@pytest.mark.parametrize(
    "fields",
    [
        {"event_time_unix_micros": NOW + MAX_FUTURE_MICROS},
        {"event_time_unix_micros": MIN_UNIX_MICROS},
        {"user_id": "x" * MAX_ID_BYTES},
        {"user_id": "é" * (MAX_ID_BYTES // 2)},
        {"event_id": "🛒" * (MAX_ID_BYTES // 4)},
        {"value": MAX_VALUE},
        {"items": [event_pb2.Item(item_id="i", price=MAX_PRICE)]},
        {"items": [event_pb2.Item(item_id="i", quantity=MAX_QUANTITY)]},
        {"items": [event_pb2.Item(item_id="i", quantity=1)] * MAX_ITEMS},
        {"items": [event_pb2.Item(item_id="i", price=MAX_PRICE, quantity=1_000)]},
        {"items": [event_pb2.Item(item_id="i", price=MAX_PRICE, quantity=MAX_QUANTITY)], "value": 1.0},
        {"country": "ZZ", "currency": "XXX"},
    ],
    ids=",".join,
)
def test_a_field_at_its_bound_passes_and_its_event_can_be_counted_and_logged(fields):
    event = decode(**fields)
    assert encode_state(fold(None, event))
    assert decode_event(encode_event(event)) == event


def test_the_limit_of_one_visitors_events_in_a_batch():
    visitors = decoding.Counter()
    for _ in range(MAX_EVENTS_PER_VISITOR):
        decoding.check_batch_of_visitor(visitors, "u", "events[0]")
    decoding.check_batch_of_visitor(visitors, "another", "events[0]")
    with pytest.raises(InvalidRequestError) as refused:
        decoding.check_batch_of_visitor(visitors, "u", "events[9]")
    assert refused.value.field == "events[9].user_id"


def refusal(call) -> InvalidRequestError:
    """Answer with the refusal that a call has to raise."""
    with pytest.raises(InvalidRequestError) as refused:
        call()
    return refused.value


def event_of(byte_count: int) -> event_pb2.Event:
    """Make an event of many items that takes exactly so many bytes on the wire."""
    message = event_pb2.Event(type=PAGE_VIEW, user_id="u", items=[event_pb2.Item(item_id="x" * 128)] * 1_900)
    missing = byte_count - message.ByteSize()
    for item in message.items:
        more = min(missing, 100)
        item.item_id += "x" * more
        missing -= more
    assert message.ByteSize() == byte_count
    return message


def test_an_event_at_its_bound_of_bytes_passes_and_one_byte_more_is_refused():
    assert decoding.decode_event(event_of(MAX_EVENT_BYTES), NOW, lambda: "made-up").user_id == "u"
    refused = refusal(lambda: decoding.decode_event(event_of(MAX_EVENT_BYTES + 1), NOW, lambda: "made-up"))
    assert (refused.field, refused.description) == ("event", "expected at most 262144 bytes, got 262145")


def test_the_limit_of_all_items_in_a_batch():
    full = event_pb2.Event(items=[event_pb2.Item()] * MAX_ITEMS)
    most = [full] * (MAX_BATCH_ITEMS // MAX_ITEMS)
    decoding.check_batch_items(most, "events")
    refused = refusal(lambda: decoding.check_batch_items([*most, event_pb2.Event(items=[event_pb2.Item()])], "events"))
    assert (refused.field, refused.description) == ("events", "expected at most 10000 items in one call, got 10001")


@pytest.mark.parametrize("time", [NOW // 10**6, NOW // 1_000, MIN_UNIX_MICROS - 1, 1, -1])
def test_a_time_that_cannot_be_in_microseconds_is_told_what_it_may_be(time):
    for field, call in (
        ("event.event_time_unix_micros", lambda: decode(event_time_unix_micros=time)),
        ("as_of_unix_micros", lambda: decoding.decode_as_of(time, NOW)),
    ):
        refused = refusal(call)
        assert refused.field == field
        assert "seconds or milliseconds" in refused.description


@pytest.mark.parametrize(
    ("as_of", "expected"), [(0, NOW), (MIN_UNIX_MICROS, MIN_UNIX_MICROS), (MAX_UNIX_MICROS, MAX_UNIX_MICROS)]
)
def test_a_moment_to_score_at(as_of, expected):
    assert decoding.decode_as_of(as_of, NOW) == expected


def test_vectors_are_stacked_in_order_and_may_carry_their_names():
    plain = prediction_pb2.FeatureVector(values=range(20))
    named = prediction_pb2.FeatureVector(feature_set="conversion", names=CONVERSION.features, values=[0.5] * 20)
    rows = decoding.decode_vectors([plain, named], CONVERSION)
    np.testing.assert_array_equal(rows, np.array([range(20), [0.5] * 20], dtype=np.float32))
    assert (rows.dtype, rows.flags.c_contiguous) == (np.float32, True)


INT64 = st.integers(-(2**63), 2**63 - 1)
INT32 = st.integers(-(2**31), 2**31 - 1)
IDS = st.one_of(st.sampled_from(("", "a", "é" * 128, "é" * 129, "x" * 257)), st.text(max_size=20))
MONEY = st.one_of(st.floats(), st.floats(0, 1e9), st.sampled_from((0.0, -0.0, 5e-324, 1e9, 1e12, 1.0000001e12)))
ITEMS = st.builds(
    event_pb2.Item,
    item_id=IDS,
    category=IDS,
    brand=IDS,
    price=MONEY,
    quantity=st.one_of(st.none(), INT64, st.integers(0, 3), st.just(MAX_QUANTITY)),
)
EVENTS = st.builds(
    event_pb2.Event,
    event_id=IDS,
    type=st.one_of(st.integers(0, 22), INT32),
    user_id=IDS,
    session_id=IDS,
    event_time_unix_micros=st.one_of(st.just(0), st.integers(MIN_UNIX_MICROS, NOW + 2 * MAX_FUTURE_MICROS), INT64),
    items=st.lists(ITEMS, max_size=3),
    country=st.one_of(st.sampled_from(("", "GB")), st.text(max_size=3)),
    device=st.one_of(st.integers(0, 5), INT32),
    order_id=IDS,
    value=st.one_of(st.none(), MONEY),
    currency=st.one_of(st.sampled_from(("", "EUR")), st.text(max_size=4)),
)


@given(EVENTS)
@example(event_pb2.Event(type=PAGE_VIEW, user_id="u", country="GB\n"))
def test_any_message_is_refused_by_field_or_becomes_an_event_that_can_be_counted_and_logged(message):
    fault = None
    try:
        event = decoding.decode_event(message, NOW, lambda: "made-up")
    except InvalidRequestError as refused:
        fault = refused.field
    if fault is not None:
        assert fault.startswith("event.")
        return
    assert encode_state(fold(None, event))
    assert decode_event(encode_event(event)) == event
    assert MIN_UNIX_MICROS <= event.event_time_unix_micros <= NOW + MAX_FUTURE_MICROS


@given(st.lists(st.floats(width=32), min_size=19, max_size=21))
def test_any_vector_is_refused_by_field_or_becomes_a_finite_row(values):
    vector = prediction_pb2.FeatureVector(values=values)
    fault = None
    try:
        rows = decoding.decode_vectors([vector], CONVERSION)
    except InvalidRequestError as refused:
        fault = refused.field
    if fault is not None:
        assert fault.startswith("vectors[0].values")
        return
    assert rows.shape == (1, 20)
    assert np.isfinite(rows).all()
