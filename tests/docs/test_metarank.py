"""The project of docs/reference/metarank.md computes what its table says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from presage_featurizer import MICROS, Event, EventType, featurize, fold
from presage_featurizer.custom import CustomFeatures
from support.events import START_UNIX_MICROS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "metarank.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return found


@pytest.fixture(scope="module")
def own() -> CustomFeatures:
    return CustomFeatures.parse(block("toml"), block("python"))


def test_each_feature_that_the_table_names_is_there(own):
    table = PAGE.partition("These concern items")[0]
    named = {
        name
        for row in table.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`(\w+)`", row.split("|")[2])
    }
    words = {
        "last",
        "values",
        "count",
        "distinct",
        "min",
        "max",
        "sum",
        "decayed_sum",
        "time_since_last",
        "device",
        "country",
    }

    assert named - words - set(own.feature_set.features) == {
        "estimate_minmax", "estimate_histogram", "country_encoded", "ip_city",
    }  # fmt: skip


def test_they_have_the_values_that_were_sent(own):
    sent = [
        (EventType.SEARCH, {"query_words": 3.0, "age": 49.0, "is_member": 1.0}, {"query": "red socks", "medium": "search"}),
        (EventType.VIEW_ITEM_LIST, {"basket": 10.0}, {"plan": "pro", "browser": "safari", "channel": "ads"}),
        (EventType.SELECT_ITEM, {"basket": 20.0, "signup_unix_seconds": START_UNIX_MICROS / MICROS - 86_400}, {"medium": "paid"}),
    ]  # fmt: skip
    state = None
    for number, (kind, numbers, labels) in enumerate(sent):
        event = Event(str(number), kind, "ann", START_UNIX_MICROS, numbers=numbers, labels=labels)
        state = fold(state, event, own.aggregates)
    vector = featurize(state, START_UNIX_MICROS, own.feature_set).tolist()
    values = dict(zip(own.feature_set.features, vector, strict=True))

    assert {name: value for name, value in values.items() if name in own.catalogue} == pytest.approx({
        "age": 49.0, "is_member": 1.0, "plan": 2.0, "came_from_ads": 1.0, "query_words": 3.0, "queries": 1.0,
        "hours_since_login": -1.0, "browser": 3.0, "came_from_search": 1.0, "medium": 5.0, "clicks": 1.0, "clicks_lately": 1.0,
        "plan_is_pro": 1.0, "basket_mean": 15.0, "age_scaled": 0.5, "days_since_signup": 1.0, "click_rate": 2 / 11,
        "minute_of_day": START_UNIX_MICROS // MICROS % 86_400 // 60, "session_count": 1.0,
    })  # fmt: skip
