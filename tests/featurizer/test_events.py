from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presage_featurizer import MICROS, Device, Event, EventType, Item, money_micros
from support.events import MAX_PRICE_MICROS, SHOE, SOCK, event


@settings(deadline=None)
@given(st.integers(0, MAX_PRICE_MICROS))
def test_money_with_six_decimals_is_exact(micros):
    assert money_micros(micros / MICROS) == micros


def test_money_beyond_six_decimals_is_rounded():
    assert money_micros(0.000_000_6) == 1
    assert money_micros(19.99) == 19_990_000


@pytest.mark.parametrize(
    ("value", "expected"), [(None, 93_500_000), (0.0, 0), (1.5, 1_500_000)], ids=["not given", "0", "given"]
)
def test_an_event_is_worth_its_value_or_else_its_items(value, expected):
    assert event(EventType.PURCHASE, 0, SHOE, SOCK, value=value).money_micros == expected


def test_an_event_without_value_and_items_is_worth_nothing():
    assert event().money_micros == 0


def test_what_is_left_out_is_unknown_and_one_unit():
    assert Item("shoe") == Item("shoe", category="", brand="", price_micros=0, quantity=1)
    bare = Event("id", EventType.LOGIN, "visitor", 1)
    assert (bare.session_id, bare.items, bare.country, bare.order_id, bare.currency) == ("", (), "", "", "")
    assert (bare.device, bare.value_micros) == (Device.UNSPECIFIED, None)


@pytest.mark.parametrize(("thing", "field"), [(SHOE, "quantity"), (event(), "event_id")], ids=["item", "event"])
def test_events_and_items_do_not_change(thing, field):
    with pytest.raises(AttributeError, match="immutable"):
        setattr(thing, field, getattr(thing, field))
