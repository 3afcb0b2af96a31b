from __future__ import annotations

import dataclasses
import re
import typing
import zoneinfo
from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest

from presage.v1 import event_pb2, model_service_pb2, prediction_pb2, scoring_service_pb2
from presage_client import Contribution, Device, Event, EventType, Explanation, Item, Prediction, ScoreTarget, Timings


@pytest.mark.parametrize(
    ("ours", "contract", "prefix"),
    [(EventType, event_pb2.EventType, "EVENT_TYPE_"), (Device, event_pb2.Device, "DEVICE_")],
)
def test_enums_are_those_of_the_contract(ours, contract, prefix):
    assert {f"{prefix}{member.name}": member.value for member in ours} == dict(contract.items())


@pytest.mark.parametrize(
    ("ours", "contract"),
    [
        (Event, event_pb2.Event),
        (Item, event_pb2.Item),
        (Prediction, prediction_pb2.Prediction),
        (Timings, prediction_pb2.Timings),
        (ScoreTarget, scoring_service_pb2.ScoreTarget),
        (Contribution, model_service_pb2.Contribution),
        (Explanation, model_service_pb2.ExplainResponse),
    ],
)
def test_fields_are_those_of_the_contract(ours, contract):
    assert {field.name for field in dataclasses.fields(ours)} == {field.name for field in contract.DESCRIPTOR.fields}


def test_an_event_without_an_id_gets_one_of_its_own():
    made = [Event(type=EventType.LOGIN, user_id="u-1") for _ in range(100)]
    assert len({event.event_id for event in made}) == 100
    assert all(len(event.event_id) == 32 for event in made)
    assert Event(type=EventType.LOGIN, user_id="u-1", event_id="mine").event_id == "mine"


def test_a_copy_of_an_event_keeps_its_id():
    event = Event(type=EventType.LOGIN, user_id="u-1")
    assert dataclasses.replace(event, country="NL").event_id == event.event_id


def test_events_are_frozen_and_keyword_only():
    event = Event(type=EventType.LOGIN, user_id="u-1")
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.user_id = "u-2"
    with pytest.raises(TypeError):
        Event(EventType.LOGIN, "u-1")
    assert typing.get_type_hints(Item)["price"] is float


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("user_id", 5, "a string"),
        ("user_id", None, "a string"),
        ("event_id", b"e-1", "a string"),
        ("session_id", 7, "a string"),
        ("country", None, "a string"),
        ("order_id", 1001, "a string"),
        ("currency", None, "a string"),
        ("type", "PURCHASE", "a member of EventType"),
        ("type", None, "a member of EventType"),
        ("device", "mobile", "a member of Device"),
        ("items", "lamp-7", "a sequence of Item"),
        ("items", None, "a sequence of Item"),
        ("items", Item(item_id="i"), "a sequence of Item"),
        ("items", iter([Item(item_id="i")]), "a sequence of Item"),
        ("value", "9.99", "a number"),
        ("value", True, "a number"),
        ("event_time_unix_micros", 1.7e15, "an integer of microseconds or a datetime with a time zone"),
        ("event_time_unix_micros", "2026-01-31", "an integer of microseconds or a datetime with a time zone"),
        ("event_time_unix_micros", True, "an integer of microseconds or a datetime with a time zone"),
    ],
)
def test_an_event_with_a_value_of_the_wrong_type_is_refused_as_it_is_made(field, value, expected):
    with pytest.raises(TypeError) as refused:
        Event(**({"type": EventType.LOGIN, "user_id": "u"} | {field: value}))
    assert str(refused.value) == f"{field}: expected {expected}, got {value!r}, which is of type {type(value).__name__}"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"numbers": [4.5]}, "numbers: expected a mapping of names and numbers, got [4.5], which is of type list"),
        ({"numbers": {"margin": "4.5"}}, "numbers[\"margin\"]: expected a number, got '4.5', which is of type str"),
        ({"numbers": {"margin": True}}, 'numbers["margin"]: expected a number, got True, which is of type bool'),
        (
            {"numbers": {"m": 10**400}},
            'numbers["m"]: expected a number that a float can hold, got one that is too large',
        ),
        (
            {"numbers": {"m": -(10**9999)}},
            'numbers["m"]: expected a number that a float can hold, got one that is too large',
        ),
        ({"value": 10**400}, "value: expected a number that a float can hold, got one that is too large"),
        ({"numbers": {7: 1.0}}, "numbers: a name: expected a string, got 7, which is of type int"),
        ({"labels": "email"}, "labels: expected a mapping of names and strings, got 'email', which is of type str"),
        ({"labels": {"channel": None}}, 'labels["channel"]: expected a string, got None, which is of type NoneType'),
        ({"labels": {b"c": "x"}}, "labels: a name: expected a string, got b'c', which is of type bytes"),
    ],
)
def test_an_attribute_of_the_wrong_type_is_refused_by_its_name(fields, message):
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        Event(type=EventType.LOGIN, user_id="u", **fields)


def test_an_item_of_the_wrong_type_is_refused_by_its_position():
    with pytest.raises(
        TypeError, match=r"^items\[1\]: expected an Item, got \{'item_id': 'b'\}, which is of type dict$"
    ):
        Event(type=EventType.LOGIN, user_id="u", items=[Item(item_id="a"), {"item_id": "b"}])


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("item_id", 7, "a string"),
        ("category", None, "a string"),
        ("brand", 1.5, "a string"),
        ("price", "1", "a number"),
        ("price", None, "a number"),
        ("quantity", 1.0, "an integer"),
        ("quantity", True, "an integer"),
        ("position", 1.0, "an integer"),
        ("rank_id", None, "a string"),
        ("propensity", "1", "a number"),
    ],
)
def test_a_field_of_an_item_is_refused_by_name(field, value, expected):
    with pytest.raises(TypeError, match=f"^{field}: expected {expected}, got {value!r}, which is of type "):
        Item(**({"item_id": "i"} | {field: value}))


def test_a_target_is_made_of_strings():
    with pytest.raises(TypeError, match=r"^session_id: expected a string, got 5"):
        ScoreTarget(user_id="u", session_id=5)


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 31, 12, 0, 0, 123_457, tzinfo=UTC),
        datetime(2026, 1, 31, 17, 30, 0, 123_457, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        datetime(2026, 1, 31, 7, 0, 0, 123_457, tzinfo=zoneinfo.ZoneInfo("America/New_York")),
        pd.Timestamp("2026-01-31T12:00:00.123457Z"),
    ],
    ids=["utc", "offset", "zone", "pandas"],
)
def test_a_datetime_becomes_microseconds_to_the_last_digit(moment):
    event = Event(type=EventType.LOGIN, user_id="u", event_time_unix_micros=moment)
    assert event.event_time_unix_micros == 1_769_860_800_123_457
    assert type(event.event_time_unix_micros) is int
    assert dataclasses.replace(event, country="NL").event_time_unix_micros == event.event_time_unix_micros


@pytest.mark.parametrize(
    ("moment", "message"),
    [
        (datetime(2026, 1, 31, tzinfo=UTC).replace(tzinfo=None), "expected a datetime with a time zone, got "),
        (datetime(1970, 1, 1, tzinfo=UTC), "expected a datetime after 1970-01-01 UTC, got "),
        (datetime(1969, 1, 1, tzinfo=UTC), "expected a datetime after 1970-01-01 UTC, got "),
    ],
)
def test_a_datetime_that_is_no_moment_of_an_event_is_refused(moment, message):
    with pytest.raises(ValueError, match=f"^event_time_unix_micros: {message}"):
        Event(type=EventType.LOGIN, user_id="u", event_time_unix_micros=moment)
