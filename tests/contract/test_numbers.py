"""Enums have the same names and numbers on the wire, in the featurizer and in the client."""

from __future__ import annotations

import pytest

import presage_client
import presage_featurizer
from presage.v1 import event_pb2


def wire_numbers(enum, prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): number for name, number in enum.items()}


@pytest.mark.parametrize("package", [presage_featurizer, presage_client], ids=lambda package: package.__name__)
@pytest.mark.parametrize("enum", ["EventType", "Device"])
def test_every_value_has_the_name_and_number_of_the_wire(package, enum):
    prefix = {"EventType": "EVENT_TYPE_", "Device": "DEVICE_"}[enum]
    expected = wire_numbers(getattr(event_pb2, enum), prefix)
    assert expected == {member.name: member.value for member in getattr(package, enum)}
