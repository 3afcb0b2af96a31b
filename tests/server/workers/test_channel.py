"""The channel between a supervisor and a worker."""

from __future__ import annotations

import dataclasses
import json
import socket
from pathlib import Path

import pytest

from presage_featurizer.custom import CustomFeatures
from presage_server.settings import Settings
from presage_server.workers.channel import (
    Channel,
    custom_from_json,
    custom_to_json,
    settings_from_json,
    settings_to_json,
)


async def test_messages_arrive_in_order_and_the_end_is_empty():
    ours, theirs = socket.socketpair()
    here, there = await Channel.open(ours), await Channel.open(theirs)
    text = "line\n" * 100_000
    here.send(command="drain")
    here.send(metrics=text)
    await here.close()
    assert [await there.read() for _ in range(3)] == [{"command": "drain"}, {"metrics": text}, {}]
    there.send(ready="for nobody")
    await there.close()


async def test_half_a_message_is_none():
    ours, theirs = socket.socketpair()
    there = await Channel.open(theirs)
    with ours:
        ours.send(b'{"command": "dr')
    assert await there.read() == {}
    await there.close()


def test_settings_come_out_as_they_went_in():
    changed = {
        str: lambda value: {
            "auto": "grpcio",
            "everysec": "always",
            "info": "debug",
            "text": "json",
            "health": "none",
        }.get(value, "unix:///somewhere"),
        int: lambda value: {60: 120}.get(value, value + 1),
        float: lambda value: value / 2 + 0.25,
        bool: lambda value: not value,
        Path: lambda _: Path("else where"),
    }
    given = {}
    for field in dataclasses.fields(Settings):
        value = getattr(Settings(), field.name)
        kind = Path if isinstance(value, Path) else type(value)
        given[field.name] = changed[kind](value)
    given |= {"host": "10.0.0.1", "trace_endpoint": "http://else-where:4317"}
    for settings in (Settings(), Settings(**given)):
        assert settings_from_json(json.loads(json.dumps(settings_to_json(settings)))) == settings
    assert set(settings_to_json(Settings(**given))) == set(given), "every field was changed"


@pytest.mark.parametrize(
    "custom", [None, CustomFeatures.parse('name = "shop"  # größe\nextends = ["hour_of_day"]\n', "import math\n")]
)
def test_the_features_of_a_project_come_out_as_they_went_in(custom):
    assert custom_from_json(json.loads(json.dumps(custom_to_json(custom)))) == custom
