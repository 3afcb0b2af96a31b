"""What the page Items shows, made from what the server said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from presage_client import ItemReport, ItemReports, ItemSource, ModelDetails, RankedItem, SimilarItems
from presage_console.charts import Chart, Series
from presage_console.formats import ago, moment, number

__all__ = ["ItemView", "Neighbour", "PopularView", "Tables", "item_view", "popular_view"]

_CHARTED: Final = 10
_LONGEST_LABEL: Final = 40
_MICROS: Final = "_unix_micros"

_FOUND: Mapping[ItemSource, str] = MappingProxyType(
    {
        ItemSource.VIEWED_TOGETHER: "looked at in the same sessions",
        ItemSource.FOLLOWED_BY: "looked at next",
        ItemSource.LIKED_TOGETHER: "liked by the same visitors",
        ItemSource.SIMILAR_SESSIONS: "in sessions that are alike",
        ItemSource.CATEGORY: "same category and brand",
        ItemSource.PRICE: "same category, about the same price",
        ItemSource.POPULAR: "popular",
        ItemSource.POPULAR_IN_COUNTRY: "popular in the country",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PopularView:
    """The most popular items."""

    items: Sequence[ItemReport]
    total_items: int
    freshness: str
    """Until when events are counted."""
    chart: Chart


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbour:
    """An item that goes with another."""

    item: ItemReport
    nearness: float
    """From 0; it compares items of one list."""
    found: str
    """How it was found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tables:
    """The ranking model that knows which items go together."""

    model: str
    version: str
    trained_on: Mapping[str, str]
    """What its bundle says of the data, in words."""

    @classmethod
    def of(cls, details: ModelDetails) -> Tables:
        """Take what is known of a model."""
        trained_on = {}
        for name, value in details.training_data.items():
            is_time = name.endswith(_MICROS) and value.isascii() and value.isdigit()
            trained_on[name.removesuffix(_MICROS).replace("_", " ")] = moment(int(value)) if is_time else value
        return cls(model=details.model, version=details.version, trained_on=trained_on)


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemView:
    """One item, and those that go with it."""

    item: ItemReport
    is_unknown: bool
    """Whether nothing at all is known of it."""
    neighbours: Sequence[Neighbour]
    problem: str
    """Why there are no neighbours; empty if they could be looked for."""
    freshness: str
    tables: Tables | None
    """None where no model has tables, or the console may not read models."""


def popular_view(reports: ItemReports, now_unix_micros: int) -> PopularView:
    """Make the page of the most popular items."""
    charted = [item for item in reports.items[:_CHARTED] if item.views_7_days or item.purchases_7_days]
    labels = [_label(item.item_id) for item in charted]
    chart = Chart(
        title="Most popular items, 7 days",
        x_name="item",
        x=labels,
        series=[
            Series(name="views", values=[float(item.views_7_days) for item in charted]),
            Series(name="purchases", values=[float(item.purchases_7_days) for item in charted]),
        ],
        kind="rows",
        note="Popularity weighs views, additions to carts and purchases.",
    )
    return PopularView(
        items=reports.items,
        total_items=reports.total_items,
        freshness=_freshness(reports, now_unix_micros),
        chart=chart,
    )


def item_view(
    reports: ItemReports,
    similar: SimilarItems | None,
    *,
    problem: str,
    tables: Tables | None,
    now_unix_micros: int,
) -> ItemView:
    """Make the page of one item.

    Args:
        reports: What is known of the item, then of those that are like it, in their order.
        similar: Those; None if they could not be looked for.
        problem: Why not.
        tables: The model that knows.
        now_unix_micros: The time.
    """
    item = reports.items[0]
    known = {report.item_id: report for report in reports.items}
    neighbours = [_neighbour(known[found.item_id], found) for found in (similar.items if similar else ())]
    return ItemView(
        item=item,
        is_unknown=item.cold and item.stock is None and not (item.price or item.blocked or item.tags),
        neighbours=neighbours,
        problem=problem,
        freshness=_freshness(reports, now_unix_micros),
        tables=tables,
    )


def _neighbour(item: ItemReport, found: RankedItem) -> Neighbour:
    return Neighbour(
        item=item, nearness=found.score, found=_FOUND.get(found.source, found.source.name.lower().replace("_", " "))
    )


def _freshness(reports: ItemReports, now_unix_micros: int) -> str:
    until = reports.counted_until_unix_micros
    if not until:
        return "No events are counted yet: that begins with the first event of an item, and takes about a minute."
    return f"Events of {number(reports.total_items)} items are counted up to {moment(until)}, {ago(until, now_unix_micros)}."


def _label(item_id: str) -> str:
    return item_id if len(item_id) <= _LONGEST_LABEL else f"{item_id[: _LONGEST_LABEL - 1]}…"
