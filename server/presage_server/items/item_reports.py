"""``ListItems``: what this server knows of items. Served by grpc.aio, beside the calls that need to be fast."""

from __future__ import annotations

from typing import Final

import grpc

from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer.events import EventType
from presage_featurizer.ranking.item_features import FAR, ITEM_FEATURES, ItemFeatures
from presage_featurizer.ranking.items import COUNTED_TYPES, WINDOW_DAYS
from presage_featurizer.ranking.items_counter import item_number
from presage_featurizer.ranking.items_live import NO_STOCK_KNOWN
from presage_server.errors import InvalidRequestError
from presage_server.items.catalogue_service import RANKING_SERVICE_NAME
from presage_server.items.live_items import LiveItems
from presage_server.rpc.ranking_decoding import decode_candidates
from presage_server.rpc.rare_methods import add_rare_methods

__all__ = ["ItemReports", "report_items"]

_DEFAULT_COUNT: Final = 50
_MAX_COUNT: Final = 200
"""As many are kept in the order of their popularity."""
_WEEK, _EVER = WINDOW_DAYS.index(7), len(WINDOW_DAYS)
_COUNTS: Final = {
    "views_7_days": (_WEEK, EventType.VIEW_ITEM),
    "carts_7_days": (_WEEK, EventType.ADD_TO_CART),
    "purchases_7_days": (_WEEK, EventType.PURCHASE),
    "views": (_EVER, EventType.VIEW_ITEM),
    "purchases": (_EVER, EventType.PURCHASE),
}
_POPULARITY_RANK: Final = list(ITEM_FEATURES).index("popularity_rank")


class ItemReports:
    """Serves ListItems.

    Args:
        live: The items of this server.
    """

    def __init__(self, live: LiveItems) -> None:
        self._live = live

    def add_to(self, server: grpc.aio.Server) -> None:
        """Have a server serve it."""
        add_rare_methods(server, RANKING_SERVICE_NAME, {"ListItems": (pb.ListItemsRequest, self.list_items)})

    async def list_items(self, request: pb.ListItemsRequest) -> pb.ListItemsResponse:
        """Describe the items of a request.

        Raises:
            InvalidRequestError: It names too many items, one twice, or items and a number.
        """
        item_ids = decode_candidates(request.item_ids, field="item_ids")
        if not 0 <= request.k <= _MAX_COUNT:
            raise InvalidRequestError(f"expected 0 to {_MAX_COUNT}, got {request.k}", field="k")
        if item_ids and request.k:
            raise InvalidRequestError(f"expected 0 with item_ids, got {request.k}", field="k")
        return report_items(self._live.features, item_ids, request.k or _DEFAULT_COUNT)


def report_items(features: ItemFeatures, item_ids: list[str], count: int) -> pb.ListItemsResponse:
    """Describe items.

    Args:
        features: Of all items, as of one epoch.
        item_ids: The items; empty: the most popular ones, then the newest.
        count: How many of these at most.
    """
    columns = features.items
    if item_ids:
        rows = features.rows_of_ids(item_ids)
    else:
        rows = features.popular[:count]
        item_ids = [columns.ids[row] for row in rows.tolist()]
    live = columns.live_values(rows, [item_number(item_id) for item_id in item_ids])
    categories, brands = ({code: name for name, code in columns.codes[kind].items()} for kind in ("category", "brand"))
    response = pb.ListItemsResponse(
        total_items=features.size,
        counted_until_unix_micros=(columns.epoch + 1) * columns.bucket_micros if columns.epoch >= 0 else 0,
    )
    for place, (item_id, row) in enumerate(zip(item_ids, rows.tolist(), strict=True)):
        report = response.items.add(
            item_id=item_id,
            cold=not 0 <= row < features.size,
            price=float(live.prices[place]),
            tags=live.tags[place],
            blocked=bool(live.blocked[place]),
        )
        if (stock := int(live.stock[place])) != NO_STOCK_KNOWN:
            report.stock = stock
        if report.cold:
            continue
        report.category = categories.get(int(columns.categories[row]), "")
        report.brand = brands.get(int(columns.brands[row]), "")
        report.first_seen_unix_micros = int(features.first_seen_unix_micros[row])
        for name, (window, kind) in _COUNTS.items():
            setattr(report, name, int(columns.sums[window, COUNTED_TYPES.index(kind), row]))
        popularity_rank = float(features.values[row, _POPULARITY_RANK])
        report.popularity_place = 0 if popularity_rank == FAR else int(popularity_rank) + 1
    return response
