"""Values and contributions in words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_featurizer import BEHAVIOR, CATALOGUE, CONVERSION, CORE
from presage_featurizer.custom import CustomFeatures
from presage_featurizer.wording import PHRASES, describe_contribution, describe_value

SAID = [
    ("cart_items_count", 3.0, "3 units in the cart"),
    ("cart_items_count", 1.0, "1 unit in the cart"),
    ("session_searches", 1.0, "1 search in this session"),
    ("monetary_value", 1234.5, "money spent so far: 1,234.50"),
    ("avg_cart_item_price", 19.989999771118164, "average price of a unit in the cart: 20"),
    ("bounce_rate", 0.25, "share of visits with a single event: 25%"),
    ("hour_of_day", 14.0, "hour of the day: 14:00"),
    ("user_segment_encoded", 3.0, "segment: repeat buyer"),
    ("device_encoded", 2.0, "device: mobile"),
    ("last_event_type", 6.0, "newest event in this session: add to cart"),
    ("deepest_step", 4.0, "deepest step in this session: cart"),
    ("day_of_week", 0.0, "day of the week: Monday"),
    ("is_weekend", 0.0, "not on a weekend"),
    ("month", 3.0, "Month of the year, 1 to 12: 3"),
    ("frequency", float("nan"), "frequency: unknown"),
    ("nobody_knows", 2.0, "nobody_knows: 2"),
]


@pytest.mark.parametrize(("name", "value", "words"), SAID)
def test_values_are_said_in_words(name, value, words):
    assert describe_value(CORE, name, value) == words


def test_countries_are_those_of_the_feature_set():
    feature_set = replace(CORE, countries=("FR", "GB"))
    said = [describe_value(feature_set, "country_encoded", value) for value in (0.0, 2.0, 3.0)]
    assert said == ["country: unknown", "country: GB", "country: 3"]


def test_a_contribution_has_a_sign():
    assert describe_contribution(CONVERSION, "cart_items_count", 3.0, 0.4213) == "3 units in the cart, +0.42"
    assert describe_contribution(CONVERSION, "frequency", 0.0, -1.005) == "0 orders so far, -1.00"


def test_a_projects_own_features_are_said_by_their_declaration():
    custom = CustomFeatures.parse(
        'name = "mine"\nextends = "conversion"\n'
        '[features.margin]\naggregate = "sum"\nover = "session"\nof = "numbers.margin"\n'
    )
    assert describe_value(custom.feature_set, "margin", 2.5) == "margin (sum of numbers.margin over the session): 2.5"


def test_phrases_are_those_of_features():
    assert PHRASES.keys() <= CATALOGUE.keys()


@given(
    name=st.sampled_from([*CATALOGUE]),
    value=st.floats(width=32),
)
def test_any_value_can_be_said(name, value):
    assert describe_contribution(replace(BEHAVIOR, countries=("FR",)), name, value, 0.0).endswith(", +0.00")
