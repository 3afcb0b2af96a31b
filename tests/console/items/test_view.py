"""The page Items: what it makes of what the server says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from presage_client import (
    ItemReport,
    ItemReports,
    ItemSource,
    ModelDetails,
    ModelKind,
    RankedItem,
    SimilarItems,
    VersionState,
)
from presage_console.items.view import Tables, item_view, popular_view

COLD = ItemReport(
    item_id="lamp",
    cold=True,
    price=0.0,
    category="",
    brand="",
    tags=(),
    stock=None,
    blocked=False,
    first_seen_unix_micros=0,
    views_7_days=0,
    carts_7_days=0,
    purchases_7_days=0,
    views=0,
    purchases=0,
    popularity_place=0,
)
COUNTED = replace(COLD, cold=False, views_7_days=9, purchases_7_days=2, popularity_place=1)
UNTIL = 1_700_000_000_000_000


def reports(*items: ItemReport, until: int = UNTIL) -> ItemReports:
    return ItemReports(items=items, total_items=len(items), counted_until_unix_micros=until)


def found(item_id: str, source: ItemSource) -> RankedItem:
    return RankedItem(
        item_id=item_id,
        score=0.5,
        source=source,
        reasons=(),
        cold=False,
        propensity=1.0,
        rules=(),
        price=0.0,
        features=None,
    )


def item_of(item: ItemReport, *others: ItemReport, similar: SimilarItems | None = None):
    return item_view(reports(item, *others), similar, problem="", tables=None, now_unix_micros=UNTIL)


def test_items_without_events_of_7_days_are_listed_and_not_charted():
    view = popular_view(reports(COUNTED, replace(COLD, item_id="new", cold=False)), UNTIL + 43_000_000)
    assert [item.item_id for item in view.items] == ["lamp", "new"]
    assert (list(view.chart.x), [list(one.values) for one in view.chart.series]) == (["lamp"], [[9.0], [2.0]])
    assert view.freshness == "Events of 2 items are counted up to 2023-11-14 22:13:20 UTC, 43 seconds ago."


def test_long_ids_are_shortened_where_they_are_labels():
    view = popular_view(reports(replace(COUNTED, item_id="x" * 256)), UNTIL)
    assert list(view.chart.x) == ["x" * 39 + "…"]
    assert view.items[0].item_id == "x" * 256


def test_before_anything_is_counted_the_page_says_how_that_begins():
    assert "No events are counted yet" in popular_view(reports(until=0), UNTIL).freshness


@pytest.mark.parametrize(
    ("known", "is_unknown"),
    [
        ({}, True),
        ({"stock": 0}, False),
        ({"price": 3.0}, False),
        ({"blocked": True}, False),
        ({"tags": ("new",)}, False),
    ],
)
def test_an_item_is_unknown_if_nobody_said_anything_of_it(known, is_unknown):
    assert item_of(replace(COLD, **known)).is_unknown is is_unknown


def test_neighbours_come_with_what_is_known_of_them_and_how_they_were_found():
    others = [replace(COUNTED, item_id="bulb", stock=3), replace(COLD, item_id="socket")]
    ranked = (found("bulb", ItemSource.VIEWED_TOGETHER), found("socket", ItemSource.UNSPECIFIED))
    view = item_of(COUNTED, *others, similar=SimilarItems(items=ranked, cold=False))
    assert [(one.item.item_id, one.item.stock, one.found) for one in view.neighbours] == [
        ("bulb", 3, "looked at in the same sessions"),
        ("socket", None, "unspecified"),
    ]


def test_what_a_model_was_trained_on_is_said_in_words():
    details = ModelDetails(
        model="ranking",
        version="2",
        kind=ModelKind.RANKING,
        state=VersionState.UNSPECIFIED,
        problem="",
        feature_set="",
        fingerprint="",
        importances={},
        metrics={},
        training_data={"log_end_unix_micros": str(UNTIL), "days": "30", "odd_unix_micros": "<b>"},
        libraries={},
        golden_check=None,
        changes=(),
        missing=(),
    )
    assert Tables.of(details).trained_on == {"log end": "2023-11-14 22:13:20 UTC", "days": "30", "odd": "<b>"}
