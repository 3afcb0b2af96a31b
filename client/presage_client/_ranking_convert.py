"""Dataclasses of rankings and of the catalogue to protobuf messages and back."""

from __future__ import annotations

from collections.abc import Iterable

from presage.v1 import ranking_service_pb2
from presage_client._checks import check_instance
from presage_client._convert import build, features_from_proto, member_of, timings_from_proto
from presage_client.catalogue import CatalogueItem, ItemReport, ItemReports, UpsertOutcome
from presage_client.errors import error_from_number
from presage_client.ranking import Intent, ItemFilter, ItemSource, RankContext, RankedItem, Ranking, SimilarItems
from presage_client.types import Arm

__all__ = [
    "catalogue_item_to_proto",
    "context_to_proto",
    "filter_to_proto",
    "item_reports_from_proto",
    "ranking_from_proto",
    "similar_items_from_proto",
    "upsert_from_proto",
]


def context_to_proto(context: RankContext | None) -> ranking_service_pb2.RankContext | None:
    """Turn a context into its message."""
    if context is None:
        return None
    check_instance("context", context, RankContext)
    return build(
        ranking_service_pb2.RankContext,
        placement=context.placement,
        budget=context.budget,
        anchor_item_id=context.anchor_item_id,
        filter=filter_to_proto(context.filter),
        exclude=list(context.exclude),
        country_code=context.country_code,
    )


def filter_to_proto(item_filter: ItemFilter | None) -> ranking_service_pb2.ItemFilter | None:
    """Turn conditions into their message."""
    if item_filter is None:
        return None
    check_instance("filter", item_filter, ItemFilter)
    return build(
        ranking_service_pb2.ItemFilter,
        categories=list(item_filter.categories),
        brands=list(item_filter.brands),
        tags=list(item_filter.tags),
        min_price=item_filter.min_price,
        max_price=item_filter.max_price,
    )


def catalogue_item_to_proto(item: CatalogueItem) -> ranking_service_pb2.CatalogueItem:
    """Turn what is known of an item into its message."""
    check_instance("item", item, CatalogueItem)
    return build(
        ranking_service_pb2.CatalogueItem,
        item_id=item.item_id,
        price=item.price,
        category=item.category,
        brand=item.brand,
        tags=list(item.tags),
        stock=item.stock,
        blocked=item.blocked,
        first_seen_unix_micros=item.first_seen_unix_micros,
    )


def ranking_from_proto(message: ranking_service_pb2.RankResponse | ranking_service_pb2.NextItemsResponse) -> Ranking:
    """Read a ranking."""
    basis = message.basis
    timings = None
    if isinstance(message, ranking_service_pb2.RankResponse) and message.HasField("timings"):
        timings = timings_from_proto(message.timings)
    return Ranking(
        rank_id=message.rank_id,
        items=_items_from_proto(message.items),
        intent=member_of(Intent, message.intent),
        model=basis.model,
        model_version=basis.model_version,
        epoch=basis.epoch,
        cold_start=basis.cold_start,
        degraded=basis.degraded,
        no_session=basis.no_session,
        timings=timings,
        arm=member_of(Arm, basis.arm),
    )


def similar_items_from_proto(message: ranking_service_pb2.SimilarItemsResponse) -> SimilarItems:
    """Read the items that are like one item."""
    return SimilarItems(items=_items_from_proto(message.items), cold=message.cold)


def upsert_from_proto(message: ranking_service_pb2.UpsertItemResult) -> UpsertOutcome:
    """Read what became of one item."""
    return UpsertOutcome(error=error_from_number(message.code, message.message) if message.code else None)


def _items_from_proto(messages: Iterable[ranking_service_pb2.RankedItem]) -> tuple[RankedItem, ...]:
    return tuple(
        RankedItem(
            item_id=message.item_id,
            score=message.score,
            source=member_of(ItemSource, message.source),
            reasons=tuple(message.reasons),
            cold=message.cold,
            propensity=message.propensity,
            rules=tuple(message.rules),
            price=message.price,
            features=features_from_proto(message.features) if message.HasField("features") else None,
        )
        for message in messages
    )


def item_reports_from_proto(response: ranking_service_pb2.ListItemsResponse) -> ItemReports:
    """Turn what is known of items into its dataclass."""
    return ItemReports(
        items=tuple(_item_report(item) for item in response.items),
        total_items=response.total_items,
        counted_until_unix_micros=response.counted_until_unix_micros,
    )


def _item_report(item: ranking_service_pb2.ItemReport) -> ItemReport:
    return ItemReport(
        item_id=item.item_id,
        cold=item.cold,
        price=item.price,
        category=item.category,
        brand=item.brand,
        tags=tuple(item.tags),
        stock=item.stock if item.HasField("stock") else None,
        blocked=item.blocked,
        first_seen_unix_micros=item.first_seen_unix_micros,
        views_7_days=item.views_7_days,
        carts_7_days=item.carts_7_days,
        purchases_7_days=item.purchases_7_days,
        views=item.views,
        purchases=item.purchases,
        popularity_place=item.popularity_place,
    )
