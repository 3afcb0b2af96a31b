"""Declared features that a log cannot fill are found."""

from __future__ import annotations

import msgspec
import pytest
from training.logs import shop

from presage_featurizer import Device, EventType
from presage_featurizer.custom import CustomFeatures
from presage_training.datasets.dataset import purchase_in_session
from presage_training.datasets.own_features import UnseenAttributes, always_default

EVENTS = shop(visitors=40)
OWN = CustomFeatures.parse(
    """
name = "shop"
extends = "core"

[features]
margin_viewed = { aggregate = "sum", of = "numbers.margin", over = "session" }
margin_by_email = { aggregate = "max", of = "numbers.margin", over = "visitor", where = { "labels.channel" = "email" } }
from_far = { aggregate = "count", over = "visitor", where = { country = "NZ" } }
last_login = { aggregate = "time_since_last", over = "visitor", events = ["SIGN_UP"], default = -1 }
dear = { aggregate = "max", of = "item.price", over = "session", where = { device = "OTHER" } }
spent = { aggregate = "sum", of = "value", over = "visitor" }
events_seen = { aggregate = "count", over = "visitor" }
"""
)


def test_attributes_that_no_event_has_are_named_with_their_features():
    unseen = UnseenAttributes(OWN)
    bare = [
        msgspec.structs.replace(event, items=(), value_micros=None, country="", device=Device.UNSPECIFIED)
        for event in EVENTS
    ]
    assert list(unseen.watch(bare)) == bare
    named = {remark.split(", which ")[0]: remark.split(", which ")[1].split(" read")[0] for remark in unseen.remarks}
    assert {before.removeprefix("No event of the log has "): after for before, after in named.items()} == {
        "numbers.margin": "margin_viewed, margin_by_email",
        "labels.channel": "margin_by_email",
        "country": "from_far",
        "item.price": "dear",
        "device": "dear",
        "value": "spent",
    }


@pytest.mark.parametrize("place", [0, len(EVENTS) // 2, len(EVENTS) - 1])
def test_one_event_with_an_attribute_is_enough(place):
    events = list(EVENTS)
    events[place] = msgspec.structs.replace(events[place], numbers={"margin": 0.0}, labels={"channel": "ads"})
    unseen = UnseenAttributes(OWN)
    order = next(event for event in EVENTS if event.type is EventType.PURCHASE)
    full = msgspec.structs.replace(order, country="DE", device=Device.MOBILE, value_micros=1)
    assert list(unseen.watch([*events, full])) == [*events, full]
    assert unseen.remarks == ()


def test_features_that_are_their_default_in_every_row_are_found():
    dataset = purchase_in_session(EVENTS, OWN.feature_set)

    found = always_default(dataset)
    assert {"margin_viewed", "margin_by_email", "from_far"} <= set(found)
    assert "events_seen" not in found
    assert ("last_login" in found) == (EventType.SIGN_UP not in {event.type for event in EVENTS})


def test_a_log_without_a_project_passes_as_it_is():
    unseen = UnseenAttributes(None)
    assert list(unseen.watch(EVENTS)) == EVENTS
    assert unseen.remarks == ()
    assert always_default(purchase_in_session(EVENTS)) == ()
