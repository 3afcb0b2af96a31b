"""What the methods about rankings and the catalogue send, and how they read the answers: for both clients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial

from presage.v1 import ranking_service_pb2
from presage_client._calls import MAX_ROWS, Call
from presage_client._checks import check_text_sequence, to_unix_micros
from presage_client._convert import build, check_count
from presage_client._ranking_convert import (
    catalogue_item_to_proto,
    context_to_proto,
    filter_to_proto,
    item_reports_from_proto,
    ranking_from_proto,
    similar_items_from_proto,
    upsert_from_proto,
)
from presage_client.catalogue import CatalogueItem, ItemReports, UpsertOutcome
from presage_client.ranking import ItemFilter, RankContext, Ranking, SimilarItems

__all__ = ["list_items", "next_items", "rank", "similar_items", "upsert_items"]


def rank(
    user_id: str,
    *,
    candidate_ids: Sequence[str],
    k: int,
    context: RankContext | None,
    session_id: str,
    model: str,
    as_of_unix_micros: int | datetime,
    include_features: bool,
    include_timings: bool,
    preview: bool,
) -> Call[Ranking]:
    """Make the call that ranks items for one visitor."""
    check_text_sequence("candidate_ids", candidate_ids)
    request = build(
        ranking_service_pb2.RankRequest,
        user_id=user_id,
        session_id=session_id,
        model=model,
        candidate_ids=list(candidate_ids),
        k=k,
        context=context_to_proto(context),
        as_of_unix_micros=to_unix_micros("as_of_unix_micros", as_of_unix_micros),
        include_features=include_features,
        include_timings=include_timings,
        preview=preview,
    )
    return Call("Rank", request, ranking_from_proto)


def next_items(
    user_id: str,
    *,
    k: int,
    context: RankContext | None,
    session_id: str,
    model: str,
    as_of_unix_micros: int | datetime,
) -> Call[Ranking]:
    """Make the call that ranks what a visitor may look at next."""
    request = build(
        ranking_service_pb2.NextItemsRequest,
        user_id=user_id,
        session_id=session_id,
        model=model,
        k=k,
        context=context_to_proto(context),
        as_of_unix_micros=to_unix_micros("as_of_unix_micros", as_of_unix_micros),
    )
    return Call("NextItems", request, ranking_from_proto)


def similar_items(item_id: str, *, k: int, item_filter: ItemFilter | None, model: str) -> Call[SimilarItems]:
    """Make the call that finds the items that are like one item."""
    request = build(
        ranking_service_pb2.SimilarItemsRequest,
        item_id=item_id,
        model=model,
        k=k,
        filter=filter_to_proto(item_filter),
    )
    return Call("SimilarItems", request, similar_items_from_proto)


def list_items(item_ids: Sequence[str], *, k: int) -> Call[ItemReports]:
    """Make the call that says what is known of items."""
    check_text_sequence("item_ids", item_ids)
    request = build(ranking_service_pb2.ListItemsRequest, item_ids=list(item_ids), k=k)
    return Call("ListItems", request, item_reports_from_proto)


def upsert_items(items: Iterable[CatalogueItem]) -> Iterator[Call[list[UpsertOutcome]]]:
    """Make the calls that store any number of items, in their order; an item that comes again goes into another call."""
    chunk: dict[str, ranking_service_pb2.CatalogueItem] = {}
    for item in items:
        message = catalogue_item_to_proto(item)
        if len(chunk) == MAX_ROWS or item.item_id in chunk:
            yield _upsert(list(chunk.values()))
            chunk = {}
        chunk[item.item_id] = message
    if chunk:
        yield _upsert(list(chunk.values()))


def _upsert(items: list[ranking_service_pb2.CatalogueItem]) -> Call[list[UpsertOutcome]]:
    request = ranking_service_pb2.UpsertItemsRequest(items=items)
    return Call("UpsertItems", request, partial(_read_upserts, items))


def _read_upserts(
    items: Sequence[ranking_service_pb2.CatalogueItem], response: ranking_service_pb2.UpsertItemsResponse
) -> list[UpsertOutcome]:
    check_count("results", items, response.results)
    return [upsert_from_proto(result) for result in response.results]
