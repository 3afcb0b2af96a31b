from __future__ import annotations

import dataclasses
import typing

import pytest

from presage.v1 import event_pb2, prediction_pb2, scoring_service_pb2
from presage_client import Device, Event, EventType, Item, Prediction, ScoreTarget, Timings


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
